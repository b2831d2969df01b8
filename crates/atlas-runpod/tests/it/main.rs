//! RunPod over scripts: what is sent for each verb, what is made of the answers that it gives.

#![allow(clippy::unwrap_used, reason = "a test that fails shall say where")]

mod create;
mod endpoints;
mod jobs;
mod life;
mod listing;
mod logs;
mod money;
mod offers;
mod options;
mod secrets;
mod streams;
mod support;
mod volumes;
