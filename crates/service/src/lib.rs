//! What the three services share: configuration, health, metrics, shutdown.
