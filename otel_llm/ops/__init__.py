"""From the catalogue to rules, routes, dashboards and documents; the boards of a wheel are read without any extra."""
