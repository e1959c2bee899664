//! A GPIO chip without a kernel: lines that remember how they were taken, and wires that the test
//! pulls. A line has one owner, as in the kernel.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::sync::mpsc;

use super::chips::{ChipFacts, Edge, InputUse, LineFacts, OutputUse};
use super::wiring::Voltage;
use crate::door_io::sensor::Stands;

/// How a line was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    Output(OutputUse),
    Input(InputUse),
}

#[derive(Debug, Default)]
struct Wires {
    taken: BTreeMap<u32, Taking>,
    consumers: BTreeMap<u32, String>,
    /// The voltages on the lines; a line that nobody drives is high.
    low: std::collections::BTreeSet<u32>,
    /// Each time an output was set.
    set: Vec<(u32, Stands)>,
    edges: Option<mpsc::UnboundedSender<Edge>>,
    edge: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct FakeChip {
    wires: Arc<Mutex<Wires>>,
}

/// Line 1 has a name that is no Pi's, line 9 belongs to somebody else.
const LINES: u32 = 10;

impl FakeChip {
    pub(super) fn facts(&self) -> ChipFacts {
        ChipFacts {
            path: "/dev/gpiochip7".into(),
            label: "fake-chip".into(),
            lines: LINES,
        }
    }

    pub(super) fn line_facts(&self) -> Vec<LineFacts> {
        let wires = self.wires.lock().unwrap();
        let line = |offset| LineFacts {
            offset,
            name: if offset == 1 {
                "LOCK".into()
            } else {
                String::new()
            },
            consumer: match offset {
                9 => "spi0 CS0".into(),
                offset if wires.taken.contains_key(&offset) => wires.consumers[&offset].clone(),
                _ => String::new(),
            },
        };
        (0..LINES).map(line).collect()
    }

    fn take(&self, consumer: &str, takings: Vec<(u32, Taking)>) -> anyhow::Result<Taken> {
        let mut wires = self.wires.lock().unwrap();
        let is_busy = |offset: &u32| *offset == 9 || wires.taken.contains_key(offset);
        if takings.iter().any(|(offset, _)| is_busy(offset)) {
            return Err(
                std::io::Error::from_raw_os_error(rustix::io::Errno::BUSY.raw_os_error()).into(),
            );
        }
        let offsets: Vec<u32> = takings.iter().map(|(offset, _)| *offset).collect();
        let consumers = offsets.iter().map(|offset| (*offset, consumer.to_owned()));
        wires.consumers.extend(consumers);
        wires.taken.extend(takings);
        Ok(Taken {
            chip: self.clone(),
            offsets,
            edges: None,
        })
    }

    pub(super) fn take_outputs(&self, consumer: &str, uses: &[OutputUse]) -> anyhow::Result<Taken> {
        let takings = uses.iter().map(|it| (it.offset, Taking::Output(*it)));
        let taken = self.take(consumer, takings.collect())?;
        let mut wires = self.wires.lock().unwrap();
        wires
            .set
            .extend(uses.iter().map(|it| (it.offset, it.stands)));
        Ok(taken)
    }

    pub(super) fn take_inputs(&self, consumer: &str, uses: &[InputUse]) -> anyhow::Result<Taken> {
        let takings = uses.iter().map(|it| (it.offset, Taking::Input(*it)));
        let mut taken = self.take(consumer, takings.collect())?;
        let (tell, edges) = mpsc::unbounded_channel();
        self.wires.lock().unwrap().edges = Some(tell);
        taken.edges = Some(edges);
        Ok(taken)
    }

    /// Puts a voltage on a line, as a contact does.
    pub(super) fn pull(&self, offset: u32, voltage: Voltage) {
        let mut wires = self.wires.lock().unwrap();
        match voltage {
            Voltage::Low => wires.low.insert(offset),
            Voltage::High => wires.low.remove(&offset),
        };
        if let Some(Taking::Input(input)) = wires.taken.get(&offset).copied() {
            let stands = stands(voltage, input.active);
            wires.edge += 1;
            let number = wires.edge;
            let edge = Edge {
                offset,
                stands,
                number,
            };
            wires.edges.as_ref().map(|edges| edges.send(edge));
        }
    }

    /// Pulls a line while nobody has room for the edge.
    pub(super) fn pull_unheard(&self, offset: u32, voltage: Voltage) {
        let edges = self.wires.lock().unwrap().edges.take();
        self.pull(offset, voltage);
        self.wires.lock().unwrap().edges = edges;
    }

    /// The voltage that an output drives.
    pub(super) fn drives(&self, offset: u32) -> Option<Voltage> {
        let wires = self.wires.lock().unwrap();
        let Taking::Output(output) = wires.taken.get(&offset)? else {
            return None;
        };
        let (_, stands) = wires.set.iter().rev().find(|(of, _)| *of == offset)?;
        Some(match (stands, output.active) {
            (Stands::Active, active) => active,
            (Stands::Idle, Voltage::High) => Voltage::Low,
            (Stands::Idle, Voltage::Low) => Voltage::High,
        })
    }

    /// The levels at which an output was ever set.
    pub(super) fn was_set(&self, offset: u32) -> Vec<Stands> {
        let wires = self.wires.lock().unwrap();
        let of = wires.set.iter().filter(|(of, _)| *of == offset);
        of.map(|(_, stands)| *stands).collect()
    }

    pub(super) fn taking(&self, offset: u32) -> Option<Taking> {
        self.wires.lock().unwrap().taken.get(&offset).copied()
    }
}

fn stands(voltage: Voltage, active: Voltage) -> Stands {
    if voltage == active {
        Stands::Active
    } else {
        Stands::Idle
    }
}

/// Lines of the fake chip that were taken; dropped, they are free again.
#[derive(Debug)]
pub(super) struct Taken {
    chip: FakeChip,
    offsets: Vec<u32>,
    edges: Option<mpsc::UnboundedReceiver<Edge>>,
}

impl Taken {
    pub(super) fn set(&self, offset: u32, stands: Stands) -> anyhow::Result<()> {
        assert!(self.offsets.contains(&offset), "line {offset} is not ours");
        self.chip.wires.lock().unwrap().set.push((offset, stands));
        Ok(())
    }

    pub(super) fn get(&self, offset: u32) -> anyhow::Result<Stands> {
        let wires = self.chip.wires.lock().unwrap();
        let Some(Taking::Input(input)) = wires.taken.get(&offset) else {
            anyhow::bail!("line {offset} is no input");
        };
        let voltage = if wires.low.contains(&offset) {
            Voltage::Low
        } else {
            Voltage::High
        };
        Ok(stands(voltage, input.active))
    }

    pub(super) async fn edge(&mut self) -> anyhow::Result<Edge> {
        let edges = self.edges.as_mut().expect("inputs are listened to");
        Ok(edges.recv().await.expect("the chip lives"))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut wires = self.chip.wires.lock().unwrap();
        wires
            .taken
            .retain(|offset, _| !self.offsets.contains(offset));
    }
}
