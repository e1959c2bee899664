//! What the box's processes use, as the kernel counts it (proc(5)).

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::Context;

/// Memory of the box's processes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Pages of all of them, those that several share divided among them.
    pub(super) together_mib: f64,
    /// Pages of the agent, with those that it shares.
    pub(super) agent_rss_mib: f64,
}

/// The program whose processes are counted; a camera's program is none of them.
const PROGRAM: &str = "gate-agent";

pub(super) fn memory(agent: u32) -> anyhow::Result<Memory> {
    let mut together_kib = 0;
    for process in family(agent)? {
        together_kib += rollup_kib(process, "Pss:")?;
    }
    let mib = |kib: u64| kib as f64 / 1_024.0;
    Ok(Memory {
        together_mib: mib(together_kib),
        agent_rss_mib: mib(rollup_kib(agent, "Rss:")?),
    })
}

/// Processor time of the box's processes since they began.
pub(super) fn cpu(agent: u32) -> anyhow::Result<Duration> {
    let ticks_per_s = rustix::param::clock_ticks_per_second();
    let mut ticks = 0;
    for process in family(agent)? {
        let stat = stat(process)?;
        ticks += stat.ticks;
    }
    Ok(Duration::from_secs_f64(ticks as f64 / ticks_per_s as f64))
}

fn rollup_kib(process: u32, name: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .with_context(|| format!("{path} has no {name}"))
}

struct Stat {
    name: String,
    parent: u32,
    ticks: u64,
}

fn stat(process: u32) -> anyhow::Result<Stat> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parsed(&text).with_context(|| format!("{path}: {text:?}"))
}

/// The name stands in brackets and may hold anything.
fn parsed(text: &str) -> Option<Stat> {
    let (begin, end) = (text.find('(')?, text.rfind(')')?);
    let rest: Vec<&str> = text.get(end + 1..)?.split_whitespace().collect();
    let number = |at: usize| rest.get(at)?.parse::<u64>().ok();
    Some(Stat {
        name: text.get(begin + 1..end)?.to_owned(),
        parent: u32::try_from(number(1)?).ok()?,
        ticks: number(11)? + number(12)?,
    })
}

/// The agent and the processes of the same program that descend from it.
fn family(agent: u32) -> anyhow::Result<Vec<u32>> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that has just ended is none of the family.
        if let Ok(stat) = stat(process) {
            parents.insert(process, stat);
        }
    }
    let is_of_it = |mut process: u32| {
        while let Some(stat) = parents.get(&process) {
            if process == agent {
                return true;
            }
            process = stat.parent;
        }
        false
    };
    Ok(parents
        .iter()
        .filter(|(process, stat)| stat.name == PROGRAM && is_of_it(**process))
        .map(|(process, _)| *process)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let text = "12 (a) b (c) S 7 12 12 0 -1 0 0 0 0 0 30 12 0 0 20 0 1 0 5 0 0";
        let stat = parsed(text).unwrap();
        assert_eq!(
            (stat.name.as_str(), stat.parent, stat.ticks),
            ("a) b (c", 7, 42)
        );
        assert!(parsed("12 (a S").is_none());
    }

    #[test]
    fn this_process_uses_memory_and_is_not_of_the_program() {
        let this = std::process::id();
        assert!(rollup_kib(this, "Rss:").unwrap() > 0);
        assert_eq!(family(this).unwrap(), [0; 0]);
    }
}
