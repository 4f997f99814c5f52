-- What holds for rows: constraints, indexes, extended statistics, triggers, rules, policies.
SELECT kind, identity, concat_ws(', ',
         CASE contype WHEN 'c' THEN 'check' WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign key' ELSE 'exclude' END
           || ' (' || (SELECT string_agg(ident(attname), ', ' ORDER BY place) FROM unnest(conkey) WITH ORDINALITY AS key (number, place)
                       JOIN pg_attribute ON attrelid = conrelid AND attnum = number WHERE contype <> 'c') || ')',
         'with ' || (SELECT string_agg(operator(o), ', ' ORDER BY place) FROM unnest(conexclop) WITH ORDINALITY AS u (o, place)),
         CASE contype WHEN 'f' THEN 'references ' || relation(confrelid) || ' (' || (
             SELECT string_agg(ident(attname), ', ' ORDER BY place) FROM unnest(confkey) WITH ORDINALITY AS key (number, place)
             JOIN pg_attribute ON attrelid = confrelid AND attnum = number) || ')' END,
         CASE contype WHEN 'f' THEN concat_ws(', ', CASE confmatchtype WHEN 'f' THEN 'match full' WHEN 'p' THEN 'match partial' END,
           'on update ' || nullif(action(confupdtype), 'no action'), 'on delete ' || nullif(action(confdeltype), 'no action')) END,
         listed('of', (SELECT array_agg(ident(attname)) FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (confdelsetcols))), -- since 15
         CASE WHEN conperiod THEN 'by period' END, -- since 18
         CASE WHEN NOT conenforced THEN 'not enforced' END, -- since 18
         CASE WHEN condeferrable THEN 'deferrable' END, CASE WHEN condeferred THEN 'deferred' END,
         -- A dump cannot say that what is inherited is validated where its parent's is not.
         CASE WHEN NOT convalidated OR contype = 'c' AND NOT conislocal AND EXISTS (
           SELECT FROM pg_constraint p WHERE p.conrelid IN ancestors(c.conrelid) AND p.conname = c.conname AND NOT p.convalidated) THEN 'not validated' END,
         CASE WHEN contype = 'c' AND connoinherit THEN 'not inherited' END,
         CASE WHEN contype = 'c' AND NOT conislocal THEN 'inherited' END), NULL
FROM named JOIN pg_constraint c ON class = 'pg_constraint'::regclass AND id = c.oid WHERE kind = 'constraint'
UNION ALL
SELECT 'constraint expression', identity, pg_get_expr(conbin, conrelid), expression_of(r.sql)
FROM named JOIN pg_constraint c ON class = 'pg_constraint'::regclass AND id = c.oid JOIN relations r ON r.oid = conrelid WHERE contype = 'c'
UNION ALL
SELECT kind, identity, concat_ws(', ', CASE WHEN indisunique THEN 'unique' END,
         'on ' || relation(indrelid) || ' using ' || ident(amname) || ' (' || (
           SELECT string_agg(concat_ws(' ', coalesce(ident(attname), '<expression>'),
                    CASE WHEN key.coll NOT IN (0, 100) THEN 'collate ' || collation(key.coll) END,
                    CASE WHEN NOT opcdefault THEN operator_class(key.class) END,
                    CASE WHEN opcintype <> atttypid THEN 'as ' || type(opcintype) END,
                    listed('with', own.options), CASE WHEN key.option & 1 = 1 THEN 'descending' END,
                    CASE key.option WHEN 1 THEN 'nulls last' WHEN 2 THEN 'nulls first' END, 'statistics ' || own.target,
                    CASE WHEN place > indnkeyatts THEN 'included' END), ', ' ORDER BY place)
           FROM unnest(indkey::int2[], indcollation::oid[], indclass::oid[], indoption::int2[]) WITH ORDINALITY AS key (number, coll, class, option, place)
           LEFT JOIN pg_opclass o ON o.oid = key.class LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = number AND number > 0
           LEFT JOIN (SELECT attnum, attoptions, CASE WHEN attstattarget >= 0 THEN attstattarget END FROM pg_attribute WHERE attrelid = indexrelid)
             AS own (place, options, target) USING (place)) || ')',
         CASE WHEN indnullsnotdistinct THEN 'nulls not distinct' END, -- since 15
         listed('with', reloptions),
         'attached to ' || (SELECT relation(inhparent) FROM pg_inherits WHERE inhrelid = indexrelid),
         CASE WHEN NOT indimmediate THEN 'deferrable' END, CASE WHEN NOT indisvalid THEN 'not attached everywhere' END,
         CASE WHEN indisreplident THEN 'replica identity' END, CASE WHEN indisclustered THEN 'clustered' END), NULL
FROM named JOIN pg_index x ON class = 'pg_class'::regclass AND id = indexrelid JOIN pg_class c ON c.oid = id JOIN pg_am a ON a.oid = relam
UNION ALL
SELECT 'index expression', identity, pg_get_expr(indexprs, indrelid), expression_of(r.sql)
FROM named JOIN pg_index x ON class = 'pg_class'::regclass AND id = indexrelid JOIN relations r ON r.oid = indrelid WHERE indexprs IS NOT NULL
UNION ALL
SELECT 'index predicate', identity, pg_get_expr(indpred, indrelid), expression_of(r.sql)
FROM named JOIN pg_index x ON class = 'pg_class'::regclass AND id = indexrelid JOIN relations r ON r.oid = indrelid WHERE indpred IS NOT NULL
UNION ALL
SELECT kind, identity, concat_ws(', ', 'on ' || relation(stxrelid),
         listed('columns', (SELECT array_agg(ident(attname)) FROM pg_attribute WHERE attrelid = stxrelid AND attnum = ANY (stxkeys::int2[]))),
         listed('kinds', (SELECT array_agg(CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' WHEN 'm' THEN 'mcv' ELSE 'expressions' END) FROM unnest(stxkind) AS k)),
         CASE WHEN stxstattarget >= 0 THEN 'statistics ' || stxstattarget END), NULL
FROM named JOIN pg_statistic_ext x ON class = 'pg_statistic_ext'::regclass AND id = x.oid
UNION ALL
SELECT 'statistics expression', identity, pg_get_expr(stxexprs, stxrelid), expression_of(r.sql)
FROM named JOIN pg_statistic_ext x ON class = 'pg_statistic_ext'::regclass AND id = x.oid JOIN relations r ON r.oid = stxrelid WHERE stxexprs IS NOT NULL
UNION ALL
SELECT kind, identity, concat_ws(', ',
         CASE WHEN tgparentid <> 0 THEN 'as its parent''s' ELSE concat_ws(', ',
           CASE WHEN tgconstraint <> 0 THEN 'constraint' END,
           CASE tgtype & 66 WHEN 2 THEN 'before' WHEN 64 THEN 'instead of' ELSE 'after' END,
           CASE WHEN tgtype & 4 <> 0 THEN 'insert' END, CASE WHEN tgtype & 8 <> 0 THEN 'delete' END,
           CASE WHEN tgtype & 16 <> 0 THEN 'update' END, CASE WHEN tgtype & 32 <> 0 THEN 'truncate' END,
           listed('of', (SELECT array_agg(ident(attname)) FROM pg_attribute WHERE attrelid = tgrelid AND attnum = ANY (tgattr::int2[]))),
           'from ' || CASE WHEN tgconstraint <> 0 THEN relation(tgconstrrelid) END,
           CASE WHEN tgdeferrable THEN 'deferrable' END, CASE WHEN tginitdeferred THEN 'deferred' END,
           'old table ' || ident(tgoldtable), 'new table ' || ident(tgnewtable),
           CASE WHEN tgtype & 1 <> 0 THEN 'each row' ELSE 'each statement' END,
           'execute ' || routine(tgfoid), CASE WHEN tgnargs > 0 THEN 'with ' || encode(tgargs, 'escape') END) END, enabled(tgenabled)), NULL
FROM named JOIN pg_trigger t ON class = 'pg_trigger'::regclass AND id = t.oid
UNION ALL
-- The whole statement: the reader takes the condition out of it.
SELECT 'trigger condition', identity, pg_get_triggerdef(t.oid), json_build_array('query', 'SELECT 1 AS one FROM ONLY ' || r.sql || ' AS old, ONLY ' || r.sql || ' AS new WHERE ROW(', ') IS NULL')::text
FROM named JOIN pg_trigger t ON class = 'pg_trigger'::regclass AND id = t.oid JOIN relations r ON r.oid = tgrelid
WHERE tgqual IS NOT NULL AND tgparentid = 0
UNION ALL
SELECT kind, identity, concat_ws(', ', 'on ' || event(ev_type), CASE WHEN is_instead THEN 'instead' ELSE 'also' END, enabled(ev_enabled)), NULL
FROM named JOIN pg_rewrite w ON class = 'pg_rewrite'::regclass AND id = w.oid
UNION ALL
SELECT 'rule action', identity, rule_action(pg_get_ruledef(w.oid), rulename, nspname, relname),
       json_build_array('rule', 'CREATE RULE ' || quoted(rulename) || ' AS ON ' || event(ev_type) || ' TO ', r.sql)::text
FROM named JOIN pg_rewrite w ON class = 'pg_rewrite'::regclass AND id = w.oid JOIN relations r ON r.oid = ev_class
JOIN pg_namespace n ON n.oid = relnamespace
UNION ALL
SELECT kind, identity, concat_ws(', ', CASE WHEN NOT polpermissive THEN 'restrictive' END,
         'for ' || CASE polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
         listed('to', (SELECT array_agg(CASE role WHEN 0 THEN 'public' ELSE ident(rolname) END) FROM unnest(polroles) AS role LEFT JOIN pg_roles r ON r.oid = role))), NULL
FROM named JOIN pg_policy p ON class = 'pg_policy'::regclass AND id = p.oid
UNION ALL
SELECT 'policy using', identity, pg_get_expr(polqual, polrelid), expression_of(r.sql)
FROM named JOIN pg_policy p ON class = 'pg_policy'::regclass AND id = p.oid JOIN relations r ON r.oid = polrelid WHERE polqual IS NOT NULL
UNION ALL
SELECT 'policy check', identity, pg_get_expr(polwithcheck, polrelid), expression_of(r.sql)
FROM named JOIN pg_policy p ON class = 'pg_policy'::regclass AND id = p.oid JOIN relations r ON r.oid = polrelid WHERE polwithcheck IS NOT NULL
