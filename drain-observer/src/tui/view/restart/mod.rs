//! One restart, in parts: each a function from its facts to lines of a width, so that they scroll, and are tested
//! without a terminal.

mod axis;
mod curve;
mod findings;
mod gantt;
mod generations;
mod headline;
mod lanes;
mod listeners;
mod losses;
mod residual;
mod silence;
#[cfg(test)]
mod tests;
mod timeline;

pub(crate) use curve::curve;
pub(crate) use findings::findings;
pub(crate) use gantt::gantt;
pub(crate) use generations::generations;
pub(crate) use headline::headline;
pub(crate) use losses::losses;
pub(crate) use residual::residual;
pub(crate) use silence::silence;
pub(crate) use timeline::timeline;
