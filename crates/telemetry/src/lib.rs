//! Metrics, log lines and traces of all services, declared in one place.
