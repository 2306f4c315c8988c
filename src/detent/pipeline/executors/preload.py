"""Imported by the parent of all workers before anything heavy: who follows a worker is forked from here, small."""

from detent.pipeline.trace.nursery import open_nursery

open_nursery()
