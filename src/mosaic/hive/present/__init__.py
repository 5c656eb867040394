"""Turning rows and reports into the structs of `mosaic.wire.api`. Pure, but for looking things up."""
