//! A command that an administrator starts as root goes on as the user to whom the gate's state
//! belongs: what it leaves behind is the agent's to write, and it may do no more than the agent.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::Context as _;
use rustix::{
    process::{Gid, Uid, geteuid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// Becomes the owner of `state`, with the groups by which the agent has cameras, lines and ports.
/// Does nothing for anybody but root, and where the folder is root's or is not there yet. To be
/// called before any thread is started: others keep what they were.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn work_as_owner_of(state: &Path) -> anyhow::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let Ok(folder) = fs::metadata(state) else {
        return Ok(());
    };
    if folder.uid() == 0 {
        return Ok(());
    }
    let users = fs::read_to_string(USERS).unwrap_or_default();
    let groups = fs::read_to_string(GROUPS).unwrap_or_default();
    let groups: Vec<Gid> = groups_of(folder.uid(), &users, &groups)
        .into_iter()
        .map(Gid::from_raw)
        .collect();
    let (uid, gid) = (Uid::from_raw(folder.uid()), Gid::from_raw(folder.gid()));
    set_thread_groups(&groups)
        .and_then(|()| set_thread_res_gid(Some(gid), Some(gid), Some(gid)))
        .and_then(|()| set_thread_res_uid(Some(uid), Some(uid), Some(uid)))
        .with_context(|| {
            format!(
                "cannot become user {}, to whom {} belongs",
                folder.uid(),
                state.display()
            )
        })
}

/// Numbers of the groups that name the user (passwd(5), group(5)).
fn groups_of(uid: u32, users: &str, groups: &str) -> Vec<u32> {
    let field = |line: &str, at: usize| line.split(':').nth(at).map(str::to_owned);
    let is_the_user = |line: &&str| field(line, 2).is_some_and(|it| it.parse() == Ok(uid));
    let Some(name) = users
        .lines()
        .find(is_the_user)
        .and_then(|line| field(line, 0))
    else {
        return Vec::new();
    };
    let names_it = |line: &&str| {
        field(line, 3).is_some_and(|members| members.split(',').any(|member| member == name))
    };
    groups
        .lines()
        .filter(names_it)
        .filter_map(|line| field(line, 2)?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_groups_that_name_it() {
        let users = "root:x:0:0:root:/root:/bin/sh\nportcullis:x:990:990::/:/usr/sbin/nologin\n";
        let groups = "root:x:0:\nvideo:x:44:ada,portcullis\ngpio:x:997:portcullis\n\
                      input:x:105:portcullis2\nbroken\ndialout:x:twenty:portcullis\n";
        assert_eq!(groups_of(990, users, groups), [44, 997]);
        assert_eq!(groups_of(991, users, groups), [0; 0]);
    }
}
