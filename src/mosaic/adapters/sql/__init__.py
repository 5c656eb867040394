"""The Hive's database. The only package that knows SQLAlchemy.

`engine` opens it and gives transactions; `schema` is what the tables are;
`migrations` is how they came to be so; every other module has the queries of
one aggregate, as functions that take a transaction first.
"""
