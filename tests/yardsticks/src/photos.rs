//! Folders of photographs, which are not in the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use code_finder::Frame;

use crate::clock::timed;
use crate::readers::Reader;

/// Reads every picture with every reader and prints how many each has read, by folder.
pub(crate) fn compare(folders: &[PathBuf], list: bool) -> anyhow::Result<()> {
    let mut all = Count::default();
    for folder in folders {
        let mut pictures = Vec::new();
        collect(folder, &mut pictures)?;
        let mut count = Count::default();
        for picture in &pictures {
            let missed = count.add(picture)?;
            if list && !missed.is_empty() {
                println!("{}: not read by {}", picture.display(), missed.join(", "));
            }
        }
        count.print(&folder.display().to_string());
        all.merge(count);
    }
    all.print("all");
    Ok(())
}

#[derive(Default)]
struct Count {
    pictures: u32,
    read: [u32; Reader::ALL.len()],
    wrong: [u32; Reader::ALL.len()],
    times: [Vec<f64>; Reader::ALL.len()],
}

impl Count {
    fn add(&mut self, path: &Path) -> anyhow::Result<Vec<String>> {
        let frame = frame_of(path)?;
        let written = text_beside(path);
        self.pictures += 1;
        let mut missed = Vec::new();
        for (place, reader) in Reader::ALL.into_iter().enumerate() {
            let (texts, took_ms) = timed(|| reader.texts(&frame));
            self.times[place].push(took_ms);
            let is_read = match &written {
                Some(written) => texts.iter().any(|text| without_space(text) == *written),
                None => !texts.is_empty(),
            };
            if is_read {
                self.read[place] += 1;
            } else {
                self.wrong[place] += u32::from(!texts.is_empty());
                missed.push(format!(
                    "{}{}",
                    reader.name(),
                    if texts.is_empty() { "" } else { "!" }
                ));
            }
        }
        Ok(missed)
    }

    fn merge(&mut self, other: Self) {
        self.pictures += other.pictures;
        for place in 0..Reader::ALL.len() {
            self.read[place] += other.read[place];
            self.wrong[place] += other.wrong[place];
            self.times[place].extend(&other.times[place]);
        }
    }

    fn print(&mut self, what: &str) {
        println!("{what}: {} pictures", self.pictures);
        for (place, reader) in Reader::ALL.into_iter().enumerate() {
            let times = &mut self.times[place];
            times.sort_by(f64::total_cmp);
            let median = times.get(times.len() / 2).copied().unwrap_or_default();
            println!(
                "  {:26} {:4} read, {:3} with another text, median {median:.1} ms",
                reader.name(),
                self.read[place],
                self.wrong[place]
            );
        }
    }
}

fn collect(folder: &Path, pictures: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot list the folder {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, pictures)?;
        } else if is_picture(&path) {
            pictures.push(path);
        }
    }
    Ok(())
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| {
        ["png", "jpg", "jpeg", "webp"].contains(&ending.to_ascii_lowercase().as_str())
    })
}

fn frame_of(path: &Path) -> anyhow::Result<Frame> {
    let picture = image::ImageReader::open(path)?
        .with_guessed_format()?
        .decode()
        .with_context(|| format!("cannot read {}", path.display()))?;
    // What shows through is taken for white, as a page is.
    let picture = picture.into_luma_alpha8();
    let (width, height) = picture.dimensions();
    let luma = picture.pixels().map(|pixel| {
        let [value, alpha] = pixel.0.map(u32::from);
        u8::try_from((value * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
    });
    Ok(Frame::new(width, height, luma.collect())?)
}

/// Line ends differ from set to set.
fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

fn text_beside(path: &Path) -> Option<String> {
    let bytes = fs::read(path.with_extension("txt")).ok()?;
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    Some(without_space(&text))
}
