//! A box as it stands on the day after enrolment, in a folder: store, keys, pictures of passes.
//! For machines that cannot reach a central, such as an emulated one.

use std::{fs, path::Path};

use anyhow::{Context, bail, ensure};
use image::{GrayImage, Luma, imageops};
use shared::status_list::PassState;

use crate::{
    authority::{IssuedPass, T0},
    bench::gate_on_disk::{Extent, GateOnDisk},
    pictures,
    random::Random,
};

/// Enough that one is revoked and one is not.
const EXTENT: Extent = Extent {
    issued: 40,
    revoked: 8,
    suspended: 4,
    holders: 40,
};
/// Whoever is inside is not let in again: one holder for each entry that is to be seen.
const VALID_PASSES: usize = 4;
/// When the gate is started: lists are a minute old.
const STARTED_AFTER_S: u64 = 60;
/// What a camera gives.
const VGA: (u32, u32) = (640, 480);
/// How light the wall is.
const WALL: u8 = 140;

/// Writes the folder: `state` and `keys` of an enrolled gate that is up to date; `passes` with
/// `valid-1` to `valid-4` and `revoked` as pictures (`.png`, 1280 by 720), their texts (`.txt`) and
/// a camera's raw frames (`.yuyv`, 640 by 480), and `empty`, a wall; `utc`, the second at which to
/// start the gate.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let gate = GateOnDisk::new(directory, EXTENT)?;
    let passes = directory.join("passes");
    fs::create_dir_all(&passes).with_context(|| format!("cannot create {}", passes.display()))?;
    let mut random = Random::from_seed(20_270_115);
    let valid = of_state(&gate, PassState::Valid, VALID_PASSES)?;
    for (number, pass) in (1..).zip(valid) {
        write_pass(&passes, &format!("valid-{number}"), pass, &mut random)?;
    }
    for pass in of_state(&gate, PassState::Revoked, 1)? {
        write_pass(&passes, "revoked", pass, &mut random)?;
    }
    write_frame(&passes, "empty", &wall())?;
    gate.keeper.close()?;
    let utc = T0.plus(STARTED_AFTER_S).0;
    fs::write(directory.join("utc"), format!("{utc}\n")).context("cannot write the time")
}

fn of_state(gate: &GateOnDisk, state: PassState, count: usize) -> anyhow::Result<Vec<&IssuedPass>> {
    let passes = gate.passes.iter().filter(|pass| gate.state(pass) == state);
    let passes: Vec<_> = passes.take(count).collect();
    ensure!(passes.len() == count, "too few passes are {state:?}");
    Ok(passes)
}

fn write_pass(
    folder: &Path,
    name: &str,
    pass: &IssuedPass,
    random: &mut Random,
) -> anyhow::Result<()> {
    let text = pass.text();
    let code = pictures::code(&text)?;
    let picture = pictures::held_up(&code, random);
    pictures::put(folder, &format!("{name}.png"), &pictures::png(&picture)?)?;
    write_frame(folder, name, &held_still(&code)?)?;
    let path = folder.join(format!("{name}.txt"));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn write_frame(folder: &Path, name: &str, frame: &GrayImage) -> anyhow::Result<()> {
    pictures::put(folder, &format!("{name}.yuyv"), &yuyv(frame))
}

/// Upright, before an even wall: this is for the way from a camera to a door, not for the
/// decoder's skill.
fn held_still(code: &GrayImage) -> anyhow::Result<GrayImage> {
    let mut frame = wall();
    let left = VGA.0.checked_sub(code.width());
    let top = VGA.1.checked_sub(code.height());
    let (Some(left), Some(top)) = (left, top) else {
        bail!("a code of {} pixels does not fit a frame", code.width());
    };
    imageops::replace(&mut frame, code, i64::from(left / 2), i64::from(top / 2));
    Ok(frame)
}

fn wall() -> GrayImage {
    GrayImage::from_pixel(VGA.0, VGA.1, Luma([WALL]))
}

/// Grey as a camera gives it: light, then the middle of either colour, in turns.
fn yuyv(picture: &GrayImage) -> Vec<u8> {
    picture
        .pixels()
        .flat_map(|pixel| [pixel.0[0], 128])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_gate_has_what_an_emulated_machine_needs() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        let length = |name: &str| fs::metadata(directory.path().join(name)).unwrap().len();
        assert!(length("passes/valid-1.png") > 0);
        assert!(length("passes/revoked.txt") > 0);
        assert_eq!(length("passes/empty.yuyv"), 640 * 480 * 2);
        let utc = fs::read_to_string(directory.path().join("utc")).unwrap();
        assert_eq!(utc.trim(), "1800000060");
        let valid = fs::read_to_string(directory.path().join("passes/valid-4.txt")).unwrap();
        let revoked = fs::read_to_string(directory.path().join("passes/revoked.txt")).unwrap();
        assert_ne!(valid, revoked);
    }
}
