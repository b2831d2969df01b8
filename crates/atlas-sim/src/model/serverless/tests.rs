//! Histories of queues and workers.
