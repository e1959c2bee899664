//! The gate's program: takes passes in through its readers, lets the core decide, moves the door,
//! keeps the journal and stays in touch with central.

pub mod agent;
pub mod carry;
pub mod clock;
pub mod commands;
pub mod configuration;
pub mod decoder;
pub mod door_io;
pub mod dry_run;
pub mod enrolment;
pub mod event_loop;
pub mod gate_key;
pub mod journal_file;
pub mod local_socket;
pub mod panel;
pub mod reader;
pub mod state_in_words;
pub mod store;
pub mod sync;
pub mod tasks;
pub mod watchdog;
