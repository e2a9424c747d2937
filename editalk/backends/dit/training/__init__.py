"""Training a small transformer of the LTX-Video kind to move lips by sound: data, loss, loop."""
