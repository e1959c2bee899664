//! Tasks that are watched: one that ends unexpectedly ends the process, and the service manager
//! starts it again.

use anyhow::anyhow;
use tokio::task::JoinSet;

type Set = JoinSet<(String, anyhow::Result<End>)>;

/// Everything that runs beside the event loop.
#[derive(Debug, Default)]
pub struct Tasks {
    /// May be cut off at any point.
    loose: Set,
    /// Come to rest by themselves once nobody talks to them: doors, the store.
    orderly: Set,
}

/// How a task ended, when not by an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It never should.
    Unexpected,
    /// Its work was done.
    Done,
}

impl Tasks {
    /// Starts a task that never ends by itself.
    pub fn watch(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let name = name.into();
        self.loose
            .spawn(async move { (name, task.await.map(|()| End::Unexpected)) });
    }

    /// Starts a task whose work may be done at some time.
    pub fn watch_until_done(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let name = name.into();
        self.loose
            .spawn(async move { (name, task.await.map(|()| End::Done)) });
    }

    /// Starts a task that ends in order once nobody talks to it, and not before.
    pub fn watch_orderly(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let name = name.into();
        self.orderly
            .spawn(async move { (name, task.await.map(|()| End::Unexpected)) });
    }

    /// The same for work that blocks, on a thread of its own.
    pub fn watch_blocking(
        &mut self,
        name: impl Into<String>,
        work: impl FnOnce() + Send + 'static,
    ) {
        let name = name.into();
        self.orderly.spawn_blocking(move || {
            work();
            (name, Ok(End::Unexpected))
        });
    }

    /// Returns when a task ends that should not have.
    pub async fn failed(&mut self) -> anyhow::Error {
        loop {
            let ended = tokio::select! {
                Some(ended) = self.loose.join_next() => ended,
                Some(ended) = self.orderly.join_next() => ended,
                else => std::future::pending().await,
            };
            match ended {
                Ok((_, Ok(End::Done))) => {}
                Ok((name, Ok(End::Unexpected))) => {
                    return anyhow!("the task \"{name}\" ended unexpectedly");
                }
                Ok((name, Err(error))) => {
                    return error.context(format!("the task \"{name}\" failed"));
                }
                Err(error) => return anyhow!(error).context("a task broke"),
            }
        }
    }

    /// Cuts the loose ones off and waits until the orderly ones have come to rest.
    pub async fn wind_down(&mut self) {
        self.loose.shutdown().await;
        while let Some(ended) = self.orderly.join_next().await {
            match ended {
                Ok((_, Ok(_))) => {}
                Ok((name, Err(error))) => {
                    tracing::error!("the task \"{name}\" failed at the end: {error:#}");
                }
                Err(error) => tracing::error!("a task broke at the end: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_panics_or_fails_is_noticed_by_name() {
        let mut tasks = Tasks::default();
        tasks.watch_until_done("list", async { Ok(()) });
        tasks.watch("lives", std::future::pending());
        tasks.watch("ends", async { Ok(()) });
        assert!(tasks.failed().await.to_string().contains("\"ends\""));
        tasks.watch("fails", async { anyhow::bail!("no disk") });
        let error = format!("{:#}", tasks.failed().await);
        assert!(
            error.contains("\"fails\"") && error.contains("no disk"),
            "{error}"
        );
        tasks.watch("panics", async { panic!("a bug") });
        assert!(format!("{:#}", tasks.failed().await).contains("panic"));
        tasks.watch_blocking("blocks", || {});
        assert!(tasks.failed().await.to_string().contains("\"blocks\""));
    }
}
