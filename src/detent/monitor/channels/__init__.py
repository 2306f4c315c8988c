"""Channels: one way to reach people per file. In: an Alert. Out: nothing, or a ChannelError."""
