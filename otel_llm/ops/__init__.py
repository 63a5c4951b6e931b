"""From the catalogue to rules, routes, dashboards and documents."""

from __future__ import annotations

from .alertmanager import write_alertmanager
from .dashboards import write_grafana
from .kubernetes import write_kubernetes
from .prometheus import alert_names, write_prometheus

__all__ = ["alert_names", "write_alertmanager", "write_grafana", "write_kubernetes", "write_prometheus"]
