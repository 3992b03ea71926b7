//! Rules for the tables of SQL cells.

use quire_analysis::{CellType, Severity, analyse};

use crate::sql_placeholders::names;

/// Checks the tables read and written, separated by blanks; `public.` is omitted.
#[track_caller]
fn tables(code: &str, read: &str, written: &str, changes_data: bool) {
    let analysis = analyse(CellType::Sql, code);
    assert_eq!(analysis.diagnostics, [], "in {code:?}");
    let short = |tables: &[String]| -> String {
        let tables: Vec<&str> = tables.iter().map(|table| table.strip_prefix("public.").unwrap_or(table)).collect();
        tables.join(" ")
    };
    assert_eq!(
        (short(&analysis.tables_read).as_str(), short(&analysis.tables_written).as_str(), analysis.changes_data),
        (read, written, changes_data),
        "in {code:?}"
    );
}

#[test]
fn tables_read() {
    tables("select 1", "", "", false);
    tables("", "", "", false);
    tables(" ; ; -- nothing", "", "", false);
    tables("select customer, period from sales", "sales", "", false);
    tables("select * from rules where not valid", "rules", "", false);
    tables("select * from t", "t", "", false);
    tables("select * from A, \"B\", s.C, \"S\".\"d\" as e", "S.d B a s.c", "", false);
    tables("select * from public.t, T", "t", "", false);
    tables("select * from db.s.t", "s.t", "", false);
    tables("select * from a join b using (x) left join c on true natural join d cross join e", "a b c d e", "", false);
    tables(
        "select (select max(x) from a) from b where exists (select 1 from c) and y in (select z from d)",
        "a b c d",
        "",
        false,
    );
    tables("select * from (select * from a) x, lateral (select * from b) y", "a b", "", false);
    tables("select * from a union select * from b except (select * from c)", "a b c", "", false);
    tables("table t", "t", "", false);
    tables("table \"T\"", "T", "", false);
    tables("select * from a union table b", "a b", "", false);
    tables("select * from only t", "t", "", false);
    tables("select * from t for update", "t", "", false);
    tables("select * from t fetch first 1 row only", "t", "", false);
    tables("select * from t where x = {x} and y > {y}::date limit {n}", "t", "", false);
    tables("select * from t; select * from u;", "t u", "", false);
    tables("values ({x})", "", "", false);
    tables("select t.* , t.a from t", "t", "", false);
    tables("select 'from x', \"from y\", $$ from z $$ from t -- from w", "t", "", false);
    tables("copy t to stdout", "t", "", false);
    tables("explain select * from t", "t", "", false);
    tables("\u{feff}select * from t", "t", "", false);
    tables("select * from t\r\nwhere x = 1", "t", "", false);
}

#[test]
fn what_is_no_table() {
    tables("select * from generate_series(1, {n}) g", "", "", false);
    tables("select * from read_csv('f.csv'), unnest(array[1]), json_to_recordset('[]') as x(a int)", "", "", false);
    tables("select * from 'f.csv'", "", "", false);
    tables("select extract(year from d), substring(s from 1 for 2) from t", "t", "", false);
    tables("select * from t where a is distinct from b and c is not distinct from d", "t", "", false);
    tables("select overlay(a placing b from 1), position(a in b)", "", "", false);
}

#[test]
fn common_table_expressions() {
    tables("with a as (select * from t) select * from a", "t", "", false);
    tables("with t as (select * from t) select * from t", "t", "", false);
    tables("with recursive t as (select 1 union all select * from t) select * from t", "", "", false);
    tables(
        "with a as (select 1), b as (select * from a), c as (select * from d) select * from b, c, d",
        "d",
        "",
        false,
    );
    tables("with a as (select * from b), b as (select 1) select * from a", "b", "", false);
    tables("with recursive a as (select * from b), b as (select 1) select * from a", "", "", false);
    tables("with a as (select 1) select * from s.a, A, \"A\"", "A s.a", "", false);
    tables("select * from (with a as (select 1) select * from a) x, a", "a", "", false);
    tables("with a as (with b as (select * from t) select * from b) select * from a, b", "b t", "", false);
    tables("with a as (select 1) select * from t where x in (select * from a)", "t", "", false);
    tables("with a(x) as materialized (select 1) table a", "", "", false);
    tables("with a as (select 1) select 1; select * from a", "a", "", false);
}

#[test]
fn changes_of_data() {
    tables("insert into t values ({x})", "t", "t", true);
    tables("insert into t (a) select a from s returning *", "s t", "t", true);
    tables("insert into t values (1) on conflict (a) do update set b = excluded.b", "t", "t", true);
    tables("update t set a = (select max(b) from c) from d where t.x = d.x", "c d t", "t", true);
    tables("update only t set a = 1", "t", "t", true);
    tables("delete from t using s where t.x = s.x", "s t", "t", true);
    tables("delete from t as x where x.a = {a}", "t", "t", true);
    tables(
        "merge into t using s on t.id = s.id when matched then update set x = 1 when not matched then insert values (1)",
        "s t",
        "t",
        true,
    );
    tables("copy t from stdin", "t", "t", true);
    tables("copy s.t (a, b) from '/tmp/x' with (format csv)", "s.t", "s.t", true);
    tables("truncate a, b", "a b", "a b", true);
    tables("truncate table only a cascade", "a", "a", true);
    tables(
        "with u as (select * from base) insert into dst select * from u join s.other o on true",
        "base dst s.other",
        "dst",
        true,
    );
    tables("with d as (delete from t returning *) select * from d", "t", "t", true);
    tables("with d as (delete from t returning *) insert into log select * from d", "log t", "log t", true);
    tables("with u as (select 1) update u set x = 1", "u", "u", true);
    tables("explain analyze delete from t", "t", "t", true);
    tables("explain (analyze, buffers) delete from t", "t", "t", true);
    tables("explain (analyze false) delete from t", "t", "", false);
    tables("explain delete from t", "t", "", false);
    tables("call f({x})", "", "", true);
}

#[test]
fn definitions() {
    tables("create table t (a int primary key, b text)", "", "t", true);
    tables("create temp table if not exists t as select * from s", "s", "t", true);
    tables("create table t (like s)", "s", "t", true);
    tables("create view v as select * from t", "t", "v", true);
    tables("create or replace view s.v as with a as (select 1) select * from a, t", "t", "s.v", true);
    tables("create materialized view v as select * from t", "t", "v", true);
    tables("select * into n from o", "o", "n", true);
    tables("create index i on t (a)", "", "t", true);
    tables("alter table t add column x int", "", "t", true);
    tables("alter table t rename to u", "", "t u", true);
    tables("drop table if exists a, s.b cascade", "", "a s.b", true);
    tables("drop view v", "", "v", true);
    tables("drop index i", "", "", true);
    tables("create schema s", "", "", true);
    tables("create function f() returns int as $$ select * from t $$ language sql", "", "", true);
    tables("create table a as select 1; select * from a", "a", "a", true);
}

#[test]
fn what_changes_nothing() {
    for code in ["show all", "set search_path = x", "begin; commit", "rollback", "listen x", "explain analyze select 1"]
    {
        tables(code, "", "", false);
    }
    for code in ["grant select on t to u", "comment on table t is 'x'", "vacuum t", "execute p", "lock table t"] {
        tables(code, "", "", true);
    }
}

#[test]
fn what_sqlparser_does_not_know_is_a_warning() {
    let code = "select * from a; selec * from v;;\nselect {x} from b";
    let analysis = analyse(CellType::Sql, code);
    assert_eq!(analysis.error(), None, "the database is the judge");
    assert_eq!(analysis.diagnostics.len(), 1);
    let warning = &analysis.diagnostics[0];
    assert_eq!((warning.severity, warning.line, warning.offset), (Severity::Warning, 1, 17));
    assert_eq!(analysis.tables_read.join(" "), "public.a public.b");
    assert_eq!(names(&analysis), "x");
    assert!(analysis.changes_data, "nobody knows");

    let analysis = analyse(CellType::Sql, "select * from {t}");
    assert_eq!((names(&analysis).as_str(), analysis.tables_read.len(), analysis.changes_data), ("t", 0, false));
    assert_eq!((analysis.diagnostics[0].line, analysis.diagnostics[0].column), (1, 15), "where the placeholder stands");

    assert!(!analyse(CellType::Sql, "select from from").changes_data);
    assert!(analyse(CellType::Sql, "with x as (insert into t) selec").changes_data);
    assert!(analyse(CellType::Sql, "do $$ begin end $$").changes_data);
    assert_eq!(analyse(CellType::Sql, "select 'é', )").diagnostics[0].offset, 13);
}

/// Statements of `PostgreSQL` that `sqlparser` alone does not understand, or interprets differently.
#[test]
fn what_postgresql_knows() {
    tables("table only t", "t", "", false);
    tables("select * from only t, only (u)", "t u", "", false);
    tables("select E'a'\n'b''c' from t", "t", "", false);
    tables("create table n (like t including all)", "t", "n", true);
    tables("create table n (a int, like t including defaults excluding indexes)", "t", "n", true);
    tables("create materialized view v as select * from t with no data", "t", "v", true);
    tables("refresh materialized view concurrently v", "", "v", true);
    tables("insert into t (a) overriding system value select a from s", "s t", "t", true);
    tables("select (r).*, (f(x)).* from r", "r", "", false);
    tables("select a collate \"C\" from t order by b collate \"C\"", "t", "", false);
    tables("update t set j['k'] = 1, a[1] = (select max(b) from s)", "s t", "t", true);
    tables("select * from t where a isnull or b notnull", "t", "", false);
    tables("select * from t for no key update", "t", "", false);
    tables("select * from t for key share", "t", "", false);
    tables("select * from t fetch first ({n}) rows only", "t", "", false);
    tables("select * from t join u using (id) as x", "t u", "", false);
    tables("create view v with (security_barrier) as select * from t with local check option", "t", "v", true);
    tables("alter table t set schema s", "", "t", true);
    tables("alter table s.t rename to u", "", "s.t s.u", true);
    tables("alter table t attach partition p for values from (1) to (2)", "", "p t", true);
    tables("alter table t detach partition p concurrently", "", "p t", true);
    tables("explain (costs off) table t", "t", "", false);
    tables("select sum(a) over (order by b rows 1 preceding exclude current row) from t", "t", "", false);
    tables("select sum(a) over (order by b range '1 day'::interval preceding) from t", "t", "", false);
    tables("delete from t where current of c", "t", "t", true);
    tables("insert into t values (1) on conflict (lower(a), b) do nothing", "t", "t", true);
    tables("select f(variadic array[a]) from t", "t", "", false);
    tables("select json_value(j, '$.a' returning int default 0 on error) from t", "t", "", false);
    tables("select * from t, json_table(t.j, '$[*]' columns (a int path '$.a')) x", "t", "", false);
    tables("select * from rows from (f(), g(1)) with ordinality", "", "", false);
    tables("select * from f() as (a int, b text)", "", "", false);
    tables("select * from unnest(a) as x, coalesce(b) as c(d int)", "", "", false);
    tables("create view v as select * from unnest(a) as x", "", "v", true);
    tables("create table n (a, b) as select * from t with no data", "t", "n", true);
    tables(
        "with recursive w as (select 1 union all select a from t) search depth first by a set o select * from w",
        "t",
        "",
        false,
    );
    tables("create table n (a int, b int generated always as (a * 2) virtual)", "", "n", true);
    tables("copy t from stdin with (on_error ignore)", "t", "t", true);
    tables("copy s.t to stdout (force_quote *)", "s.t", "", false);
}

#[test]
fn semicolons_in_functions_and_rules() {
    let function = "create function f() returns int language sql \
        begin atomic insert into t values (1); select case when true then 1 end from s; end; select * from u";
    tables(function, "s t u", "", true);
    tables("create rule r as on insert to t do also (delete from a; select 1); select * from u", "a u", "", true);
    tables("begin; select * from t; end; select * from u", "t u", "", false);
}

#[test]
fn statements_that_name_no_table() {
    for code in [
        "do $$ begin end $$",
        "comment on column t.a is 'x'",
        "reindex table t",
        "drop subscription s",
        "alter text search configuration c add mapping for a with b",
        "create publication p for all tables",
        "create statistics s on a, b from t",
        "security label on table t is 'x'",
        "alter domain d add check (value > 0)",
    ] {
        tables(code, "", "", true);
    }
    for code in ["set constraints all deferred", "fetch forward 5 in c", "move c", "abort", "prepare p as select 1"] {
        tables(code, "", "", false);
    }
    tables("drop foreign table if exists a, s.b cascade", "", "a s.b", true);
    tables("alter table if exists only t alter a set storage external", "", "t", true);
    for code in ["drop tabel t", "selec * from t", "drop table", "alter table"] {
        assert_eq!(analyse(CellType::Sql, code).diagnostics.len(), 1, "{code:?}");
    }
}
