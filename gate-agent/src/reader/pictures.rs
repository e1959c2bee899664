//! Picture files in the place of a camera. Each picture is a presentation of its own.

mod folder;

use std::path::{Path, PathBuf};

use anyhow::Context;
use gate_core::input::PresentationEnd;
use tokio::sync::{mpsc, oneshot};
use tokio::task;

use crate::decoder::{Decoded, Decoder, Effort, Request, read_picture_file};

use super::{FrameRead, PicturesConfig, ReadProblem, Reader, ReaderEnd};

pub(super) async fn run(
    reader: &Reader,
    config: &PicturesConfig,
    frames: &mpsc::Sender<FrameRead>,
    ready: oneshot::Sender<()>,
) -> anyhow::Result<ReaderEnd> {
    let decoder = Decoder::start(reader.decoder.clone(), reader.clock)
        .await
        .context("a reader of pictures needs a decoder")?;
    let mut desk = Desk {
        reader,
        decoder,
        frames,
    };
    match config {
        PicturesConfig::Folder { folder, existing } => {
            let watch = folder::Watch::new(folder, *existing)?;
            // Nobody need wait for it.
            let _ = ready.send(());
            desk.read_folder(watch).await
        }
        PicturesConfig::Files { files } => {
            let _ = ready.send(());
            desk.read_files(files).await
        }
    }
}

struct Desk<'a> {
    reader: &'a Reader,
    decoder: Decoder,
    frames: &'a mpsc::Sender<FrameRead>,
}

impl Desk<'_> {
    async fn read_files(&mut self, files: &[PathBuf]) -> anyhow::Result<ReaderEnd> {
        for file in files {
            if self.read_file(file).await == Receiver::Gone {
                return Ok(ReaderEnd::ReceiverGone);
            }
        }
        Ok(ReaderEnd::NoMoreFrames)
    }

    async fn read_folder(&mut self, mut watch: folder::Watch) -> anyhow::Result<ReaderEnd> {
        loop {
            let (returned, files) = task::spawn_blocking(move || {
                let files = watch.new_files();
                (watch, files)
            })
            .await
            .context("the look into the folder was cut short")?;
            watch = returned;
            for file in files? {
                if self.read_file(&file).await == Receiver::Gone {
                    return Ok(ReaderEnd::ReceiverGone);
                }
            }
            self.reader.pulse.beat(self.reader.clock);
            tokio::select! {
                () = tokio::time::sleep(folder::LOOK_EVERY) => {}
                () = self.frames.closed() => return Ok(ReaderEnd::ReceiverGone),
            }
        }
    }

    async fn read_file(&mut self, file: &Path) -> Receiver {
        let taken_at = self.reader.clock.uptime();
        self.reader.pulse.beat(self.reader.clock);
        let result = self.decode_file(file).await;
        let decode_ms = match &result {
            Ok(decoded) => decoded.took_ms(),
            Err(_) => self.reader.clock.uptime().since_ms(taken_at),
        };
        let (texts, hints, problem) = match result {
            Ok(decoded) => (decoded.texts, decoded.hints, None),
            Err(problem) => (Vec::new(), Vec::new(), Some(problem)),
        };
        let name = file.file_name().unwrap_or(file.as_os_str());
        let frame = FrameRead {
            access_point: self.reader.access_point,
            taken_at,
            texts,
            hints,
            decode_ms,
            source: Some(name.to_string_lossy().into_owned()),
            end: PresentationEnd::SourceHasNoMoreFrames,
            problem,
        };
        match self.frames.send(frame).await {
            Ok(()) => Receiver::Listens,
            Err(_) => Receiver::Gone,
        }
    }

    async fn decode_file(&mut self, file: &Path) -> Result<Decoded, ReadProblem> {
        let path = file.to_owned();
        let bytes = match task::spawn_blocking(move || read_picture_file(&path)).await {
            Ok(bytes) => bytes?,
            Err(error) => {
                return Err(ReadProblem::DecoderFailed {
                    reason: error.to_string(),
                });
            }
        };
        let request = Request::Picture {
            file: &bytes,
            effort: Effort::Gate,
        };
        Ok(self.decoder.decode(request).await?)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiver {
    Listens,
    Gone,
}
