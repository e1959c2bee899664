//! The kernel's devices that a reader needs and no crate gives without a C compiler's library:
//! cameras (V4L2), keyboards that are scanners (evdev), and children that die with their parent.
//! Knows nothing of codes and passes.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("the layouts in this crate are those of 64-bit Linux");

pub mod child;
pub mod input;
mod kernel;
pub mod video;
