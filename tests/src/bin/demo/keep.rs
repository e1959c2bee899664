//! `--keep`: everything goes on running, with commands to try.

use system_tests::admin;

use crate::{cases::part, scene::Scene};

/// Prints what to try and waits for Ctrl-C.
pub(crate) async fn until_ctrl_c(scene: &Scene) -> anyhow::Result<()> {
    let url = scene.central.url();
    let school = &scene.school.path;
    let pass = &scene.cards[part::VALID].path;
    let other = &scene.cards[part::AFTER].path;
    let gate = &scene.main.row.id;
    let student = &scene.students[part::VALID];
    let schools = scene.school.admin.get("/api/v1/schools").await?;
    let name = admin::text(&schools["items"][0], "name")?;
    println!("\nEverything goes on running until Ctrl-C. {name} is at");
    println!("  web API    {url}/api/v1   (OpenAPI: {url}/api/v1/openapi.json)");
    println!("  pictures   {}", scene.pictures.display());
    for site in [&scene.main, &scene.library] {
        println!(
            "  {:<10} {}",
            site.row.name,
            site.gate.directory().display()
        );
    }
    println!("\n  export TOKEN={}", scene.central.token);
    println!("  alias api='curl -sS -H \"Authorization: Bearer $TOKEN\"'\n");
    for line in [
        format!("curl -sS {url}/health"),
        format!("curl -sS {url}/metrics"),
        format!("api {url}/api/v1/schools"),
        format!("api '{url}{school}/students?limit=3'"),
        format!("api {url}{school}/students/{student}"),
        format!("api {url}{pass}"),
        format!("api {url}{pass}/qr.png -o pass.png"),
        format!(
            "api -X POST -H 'content-type: application/json' -d '{{\"reason\": \"lost\"}}' {url}{other}/revoke"
        ),
        format!("api '{url}{school}/gates/{gate}/journal?limit=5'"),
        format!(
            "api -X POST -H 'content-type: application/json' -d '{{\"action\": \"lock_down\"}}' {url}{school}/gates/{gate}/orders"
        ),
    ] {
        println!("  {line}");
    }
    println!(
        "\n  A picture copied into {}/pictures-{} is held up to the main gate's entry.",
        scene.main.gate.directory().display(),
        scene.main.entry
    );
    tokio::signal::ctrl_c().await?;
    Ok(())
}
