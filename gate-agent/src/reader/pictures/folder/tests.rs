use super::*;

fn names(files: &[PathBuf]) -> Vec<&str> {
    files
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap())
        .collect()
}

/// Two looks: a file counts when it did not change between them.
fn look(watch: &mut Watch) -> Vec<String> {
    let mut files = watch.new_files().unwrap();
    files.extend(watch.new_files().unwrap());
    names(&files).into_iter().map(str::to_owned).collect()
}

#[test]
fn files_come_in_the_order_of_their_names_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch::new(folder.path(), ExistingPictures::Skip).unwrap();
    for name in ["c.png", "a.png", "b.jpg"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    assert_eq!(look(&mut watch), ["a.png", "b.jpg", "c.png"]);
    assert!(look(&mut watch).is_empty());
}

#[test]
fn what_is_there_at_the_start_is_read_only_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("old.png"), "old").unwrap();
    let mut skipping = Watch::new(folder.path(), ExistingPictures::Skip).unwrap();
    let mut reading = Watch::new(folder.path(), ExistingPictures::Read).unwrap();
    assert!(look(&mut skipping).is_empty());
    assert_eq!(look(&mut reading), ["old.png"]);
    fs::write(folder.path().join("new.png"), "new").unwrap();
    assert_eq!(look(&mut skipping), ["new.png"]);
}

#[test]
fn hidden_unfinished_and_folders_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch::new(folder.path(), ExistingPictures::Skip).unwrap();
    fs::write(folder.path().join(".hidden.png"), "1").unwrap();
    fs::write(folder.path().join("copy.png.part"), "1").unwrap();
    fs::create_dir(folder.path().join("folder.png")).unwrap();
    assert!(look(&mut watch).is_empty());
    fs::rename(
        folder.path().join("copy.png.part"),
        folder.path().join("copy.png"),
    )
    .unwrap();
    assert_eq!(look(&mut watch), ["copy.png"]);
}

#[test]
fn a_growing_file_waits_until_it_rests() {
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch::new(folder.path(), ExistingPictures::Skip).unwrap();
    let file = folder.path().join("slow.png");
    for length in 1..5 {
        fs::write(&file, vec![0; length]).unwrap();
        assert!(watch.new_files().unwrap().is_empty());
    }
    assert_eq!(names(&watch.new_files().unwrap()), ["slow.png"]);
}

#[test]
fn a_file_with_new_content_is_a_new_picture() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("camera.png");
    fs::write(&file, "first").unwrap();
    let mut watch = Watch::new(folder.path(), ExistingPictures::Read).unwrap();
    assert_eq!(look(&mut watch), ["camera.png"]);
    fs::write(folder.path().join(".next"), "second").unwrap();
    fs::rename(folder.path().join(".next"), &file).unwrap();
    assert_eq!(look(&mut watch), ["camera.png"]);
    fs::remove_file(&file).unwrap();
    assert!(look(&mut watch).is_empty());
    fs::write(&file, "third").unwrap();
    assert_eq!(look(&mut watch), ["camera.png"]);
}

#[test]
fn a_folder_that_is_missing_or_goes_away_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("pictures");
    let error = Watch::new(&inner, ExistingPictures::Skip).unwrap_err();
    assert!(error.to_string().contains("pictures"), "{error}");
    fs::create_dir(&inner).unwrap();
    let mut watch = Watch::new(&inner, ExistingPictures::Skip).unwrap();
    fs::remove_dir(&inner).unwrap();
    assert!(watch.new_files().is_err());
}
