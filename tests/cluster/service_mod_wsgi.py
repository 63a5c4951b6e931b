"""The application of ``service_app.py`` under the name that mod_wsgi looks for."""

from service_app import wsgi as application

__all__ = ["application"]
