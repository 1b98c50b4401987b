"""The networks that can be trained here, one `Trainable` object each. These modules import no heavy library."""
