"""How what is known gets out: journal, workers, the server of /metrics, the registry, mountable apps."""
