"""The rows of a dump by our own COPY, beside a pg_dump that writes all the rest: decisions/0016."""
