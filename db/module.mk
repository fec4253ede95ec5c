# db/: the only place with SQL.

$(eval $(call library,db,$(wildcard db/*.c)))
DB_LIBS := -lsqlite3
