"""The monitor: rows become findings, findings become episodes, episodes become alerts that people get once.

In: profiles, labels with scores, counts, `now` and a seed. Out: findings, episodes and alerts, stored and delivered.
This room knows nothing about models, routes, rollouts or retraining.
"""

from detent.monitor.drift.detect import detect
from detent.monitor.episodes import advance, episode_key
from detent.monitor.failures import error_findings
from detent.monitor.outbox import Notification, alert_id, deliver, pending, queue
from detent.monitor.protocol import Channel, ChannelError, Detector, Reading
from detent.monitor.store import all_episodes, findings, open_episodes, save_episodes, save_findings

__all__ = [
    "Channel",
    "ChannelError",
    "Detector",
    "Notification",
    "Reading",
    "advance",
    "alert_id",
    "all_episodes",
    "deliver",
    "detect",
    "episode_key",
    "error_findings",
    "findings",
    "open_episodes",
    "pending",
    "queue",
    "save_episodes",
    "save_findings",
]
