//! Central refused a request because of its date, and sent its own time along, signed and bound to
//! that request: a gate that wakes in 1970 recovers by it. The core decides whether to believe it.

use super::{LoopHandle, NotTaken, SignedInput};

/// Hands central's time to the core.
pub(super) async fn take(
    to_loop: &LoopHandle,
    time: Vec<u8>,
    nonce: [u8; 16],
) -> Result<(), NotTaken> {
    let taken = to_loop.hand_over(SignedInput::Time { nonce }, time).await;
    match &taken {
        Ok(()) => tracing::info!("central corrected the date of this gate's requests"),
        Err(why) => tracing::warn!("central's time was not taken: {why}"),
    }
    taken
}
