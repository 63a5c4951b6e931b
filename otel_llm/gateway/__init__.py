"""An OTLP gateway: spans of services in any language in, calls that are counted once out.

A request is decoded (``protobuf``, ``otlpjson``), each span is recognised and read (``dialects``), and what it says is kept on
disk before the sender gets its answer (``spanlog``). Some seconds later, when the spans around it had time to come, the
``resolver`` decides which of them are calls, and ``counting`` prices those and hands them to the store.
"""
