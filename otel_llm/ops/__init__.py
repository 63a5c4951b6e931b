"""From the catalogue to rules, routes, dashboards and documents."""
