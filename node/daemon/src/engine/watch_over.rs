//! Tasks that must not end before the node does: one that broke down unseen would leave it paying and signing, with
//! nobody watching the chain.

use tokio::task::{JoinError, JoinHandle};

/// Ends the task with whoever watches over it.
struct EndOnDrop(JoinHandle<()>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells when a task has ended, and how. Aborting the result aborts the task, and tells nothing.
pub(crate) fn watch_over(
    running: JoinHandle<()>,
    has_ended: impl FnOnce(Result<(), JoinError>) + Send + 'static,
) -> JoinHandle<()> {
    let mut running = EndOnDrop(running);
    tokio::spawn(async move {
        let outcome = (&mut running.0).await;
        has_ended(outcome);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn p70_a_task_that_breaks_down_or_ends_is_noticed() {
        for breaks in [true, false] {
            let (tell, told) = oneshot::channel();
            let running = tokio::spawn(async move { assert!(!breaks, "planned") });
            let watching = watch_over(running, move |outcome| tell.send(outcome.is_err()).unwrap());
            assert_eq!(told.await, Ok(breaks));
            watching.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_task_ends_with_its_watch_and_nothing_is_told() {
        let (held, released) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        let watching = watch_over(running, move |_| tell.send(()).unwrap());
        tokio::task::yield_now().await;
        watching.abort();
        assert!(released.await.is_err());
        assert!(told.await.is_err());
    }
}
