//! What is compared: the engine, in one process or in two, or the reference itself.

use crate::answers::Answer;
use crate::calls::Call;

/// Something that answers the calls of one or two processes.
pub(crate) trait System {
    /// Makes a call in a process. All handles in it are values.
    fn call(&mut self, process: u8, call: &Call) -> Answer;

    /// All signals of the objects behind handles, each in the process named with it.
    ///
    /// # Panics
    /// If one of them cannot be waited on.
    fn signals(&mut self, handles: &[(u8, u32)]) -> Vec<u32>;

    /// Closes what is left of handles when the comparison has failed.
    fn abandon(&mut self, handles: &[(u8, u32)]);

    /// Called when every handle is closed.
    fn end(self);
}
