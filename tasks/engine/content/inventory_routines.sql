-- Functions and what is built upon them: aggregates, types, casts, operators, languages, text search and their like.
SELECT kind, identity, concat_ws(E', ', CASE prokind WHEN 'w' THEN 'window' END,
         'arguments (' || (SELECT string_agg(concat_ws(' ', CASE mode WHEN 'i' THEN NULL WHEN 'o' THEN 'out' WHEN 'b' THEN 'inout' WHEN 'v' THEN 'variadic' ELSE 'table' END,
                             ident(nullif(argument, '')), type(argtype)), ', ' ORDER BY place)
                           FROM unnest(coalesce(proallargtypes, proargtypes::oid[]), proargmodes, proargnames) WITH ORDINALITY AS u (argtype, mode, argument, place)) || ')',
         'returns ' || CASE WHEN proretset THEN 'set of ' ELSE '' END || type(prorettype),
         nullif(pronargdefaults, 0) || ' defaults',
         'language ' || ident(lanname), CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' END,
         CASE WHEN proisstrict THEN 'strict' END, CASE WHEN prosecdef THEN 'security definer' END, CASE WHEN proleakproof THEN 'leakproof' END,
         CASE proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' END,
         'cost ' || procost, 'rows ' || nullif(prorows, 0), 'support ' || routine(prosupport),
         listed('transforms', (SELECT array_agg(type(transformed)) FROM unnest(protrftypes) AS transformed)),
         listed('set', proconfig), 'in ' || probin, 'as ' || CASE WHEN prosqlbody IS NULL THEN prosrc END), NULL::text
FROM named JOIN pg_proc p ON class = 'pg_proc'::regclass AND id = p.oid JOIN pg_language l ON l.oid = prolang WHERE prokind <> 'a'
UNION ALL
SELECT kind || ' body', identity, pg_get_function_sqlbody(p.oid),
       json_build_array('function', kind || ' ', quoted(proname), '(' || pg_get_function_arguments(p.oid) || ')'
         || coalesce(' RETURNS ' || pg_get_function_result(p.oid), '') || ' LANGUAGE ' || quoted(lanname) || E'\n')::text
FROM named JOIN pg_proc p ON class = 'pg_proc'::regclass AND id = p.oid JOIN pg_language l ON l.oid = prolang WHERE prosqlbody IS NOT NULL
UNION ALL
SELECT kind || ' defaults', identity, pg_get_expr(proargdefaults, 0), json_build_array('query', 'SELECT 1 AS one WHERE ROW(', ') IS NULL')::text
FROM named JOIN pg_proc p ON class = 'pg_proc'::regclass AND id = p.oid WHERE proargdefaults IS NOT NULL
UNION ALL
SELECT kind, identity, concat_ws(', ',
         CASE aggkind WHEN 'o' THEN 'ordered set' WHEN 'h' THEN 'hypothetical set' END, 'direct arguments ' || nullif(aggnumdirectargs, 0),
         listed('arguments', (SELECT array_agg(concat_ws(' ', place, CASE mode WHEN 'v' THEN 'variadic' END, ident(nullif(argument, '')), type(argtype)))
           FROM unnest(coalesce(proallargtypes, proargtypes::oid[]), proargmodes, proargnames) WITH ORDINALITY AS u (argtype, mode, argument, place))),
         'returns ' || type(prorettype), 'transition ' || routine(aggtransfn), 'final ' || routine(aggfinalfn),
         'combine ' || routine(aggcombinefn), 'serialize ' || routine(aggserialfn), 'deserialize ' || routine(aggdeserialfn),
         'moving transition ' || routine(aggmtransfn), 'moving inverse ' || routine(aggminvtransfn), 'moving final ' || routine(aggmfinalfn),
         CASE WHEN aggfinalextra THEN 'final extra' END, CASE WHEN aggmfinalextra THEN 'moving final extra' END,
         'final modify ' || aggfinalmodify::text, 'moving final modify ' || aggmfinalmodify::text,
         'sort ' || operator(aggsortop), 'state ' || type(aggtranstype), 'space ' || nullif(aggtransspace, 0),
         'moving state ' || type(aggmtranstype), 'moving space ' || nullif(aggmtransspace, 0),
         'initial ' || quote_literal(agginitval), 'moving initial ' || quote_literal(aggminitval),
         CASE proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' END), NULL
FROM named JOIN pg_proc p ON class = 'pg_proc'::regclass AND id = p.oid JOIN pg_aggregate ON aggfnoid = p.oid
UNION ALL
SELECT kind, identity, CASE
         WHEN NOT t.typisdefined THEN 'shell'
         WHEN t.typtype = 'e' THEN 'enum (' || coalesce((SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), '') || ')'
         -- The order of a composite type's attributes is part of it: ROW(...) goes by place.
         WHEN t.typtype = 'c' THEN 'composite (' || coalesce((
           SELECT string_agg(ident(attname) || ' ' || type_with(atttypid, atttypmod) || coalesce(CASE WHEN attcollation <> y.typcollation THEN ' collate ' || collation(attcollation) END, ''),
                             ', ' ORDER BY attnum)
           FROM pg_attribute JOIN pg_type y ON y.oid = atttypid WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped), '') || ')'
         WHEN t.typtype = 'd' THEN concat_ws(', ', 'over ' || type_with(t.typbasetype, t.typtypmod),
           CASE WHEN t.typcollation <> b.typcollation THEN 'collation ' || collation(t.typcollation) END, CASE WHEN t.typnotnull THEN 'not null' END,
           'default ' || CASE WHEN t.typdefaultbin IS NULL THEN t.typdefault END)
         WHEN t.typtype = 'r' THEN (SELECT concat_ws(', ', 'range of ' || type(rngsubtype), CASE WHEN rngcollation NOT IN (0, 100) THEN 'collation ' || collation(rngcollation) END,
             CASE WHEN NOT opcdefault THEN 'by ' || operator_class(rngsubopc) END, 'canonical ' || routine(rngcanonical), 'difference ' || routine(rngsubdiff),
             'multirange ' || type(rngmultitypid)) FROM pg_range JOIN pg_opclass o ON o.oid = rngsubopc WHERE rngtypid = t.oid)
         ELSE concat_ws(', ', 'base', 'input ' || routine(t.typinput), 'output ' || routine(t.typoutput), 'receive ' || routine(t.typreceive), 'send ' || routine(t.typsend),
           'modifier in ' || routine(t.typmodin), 'modifier out ' || routine(t.typmodout), 'analyze ' || routine(t.typanalyze), 'subscript ' || routine(t.typsubscript),
           'length ' || t.typlen, CASE WHEN t.typbyval THEN 'by value' END, 'alignment ' || t.typalign::text, 'storage ' || t.typstorage::text, 'category ' || t.typcategory::text,
           CASE WHEN t.typispreferred THEN 'preferred' END, 'delimiter ' || t.typdelim::text, 'element ' || type(t.typelem),
           'default ' || quote_literal(t.typdefault), CASE WHEN t.typcollation <> 0 THEN 'collatable' END)
       END, NULL
FROM named JOIN pg_type t ON class = 'pg_type'::regclass AND id = t.oid LEFT JOIN pg_type b ON b.oid = t.typbasetype
UNION ALL
SELECT 'domain default', identity, pg_get_expr(typdefaultbin, 0), json_build_array('query', 'SELECT 1 AS one WHERE ROW(', ') IS NULL')::text
FROM named JOIN pg_type t ON class = 'pg_type'::regclass AND id = t.oid WHERE typdefaultbin IS NOT NULL
UNION ALL
SELECT kind, identity, CASE WHEN NOT convalidated THEN 'not validated' END, NULL
FROM named JOIN pg_constraint c ON class = 'pg_constraint'::regclass AND id = c.oid WHERE kind = 'domain constraint'
UNION ALL
SELECT 'domain constraint expression', identity, pg_get_expr(conbin, 0),
       json_build_array('query', 'SELECT 1 AS one FROM (SELECT CAST(NULL AS ' || format_type(typbasetype, typtypmod) || ')'
         || coalesce((SELECT ' COLLATE ' || quoted(nspname) || '.' || quoted(collname) FROM pg_collation co JOIN pg_namespace n ON n.oid = collnamespace WHERE co.oid = typcollation), '')
         || ' AS value) AS domain WHERE ROW(', ') IS NULL')::text
FROM named JOIN pg_constraint c ON class = 'pg_constraint'::regclass AND id = c.oid JOIN pg_type t ON t.oid = contypid WHERE kind = 'domain constraint'
UNION ALL
SELECT kind, identity, concat_ws(', ', CASE castmethod WHEN 'f' THEN 'with ' || routine(castfunc) WHEN 'i' THEN 'with in and out' ELSE 'binary' END,
         CASE castcontext WHEN 'a' THEN 'assignment' WHEN 'i' THEN 'implicit' END), NULL
FROM named JOIN pg_cast c ON class = 'pg_cast'::regclass AND id = c.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', routine(oprcode), 'commutator ' || operator(o.oprcom), 'negator ' || operator(o.oprnegate),
         'restrict ' || routine(oprrest), 'join ' || routine(oprjoin), CASE WHEN oprcanmerge THEN 'merges' END, CASE WHEN oprcanhash THEN 'hashes' END), NULL
FROM named JOIN pg_operator o ON class = 'pg_operator'::regclass AND id = o.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', 'for ' || type(opcintype), CASE WHEN opcdefault THEN 'default' END,
         'family ' || (SELECT ident(nspname) || '.' || ident(opfname) FROM pg_opfamily f JOIN pg_namespace n ON n.oid = opfnamespace WHERE f.oid = opcfamily),
         'storage ' || type(opckeytype),
         listed('operators', (SELECT array_agg(amopstrategy || ' ' || operator(amopopr)) FROM pg_depend d JOIN pg_amop a ON a.oid = d.objid
                              WHERE d.classid = 'pg_amop'::regclass AND refclassid = 'pg_opclass'::regclass AND refobjid = c.oid)),
         listed('functions', (SELECT array_agg(amprocnum || ' ' || routine(amproc)) FROM pg_depend d JOIN pg_amproc a ON a.oid = d.objid
                              WHERE d.classid = 'pg_amproc'::regclass AND refclassid = 'pg_opclass'::regclass AND refobjid = c.oid))), NULL
FROM named JOIN pg_opclass c ON class = 'pg_opclass'::regclass AND id = c.oid
UNION ALL
SELECT kind, identity, concat_ws(', ',
         listed('operators', (SELECT array_agg(concat_ws(' ', amopstrategy, type(amoplefttype), type(amoprighttype), operator(amopopr), CASE amoppurpose WHEN 'o' THEN 'for order' END))
                              FROM pg_amop WHERE amopfamily = f.oid)),
         listed('functions', (SELECT array_agg(concat_ws(' ', amprocnum, type(amproclefttype), type(amprocrighttype), routine(amproc))) FROM pg_amproc WHERE amprocfamily = f.oid))), NULL
FROM named JOIN pg_opfamily f ON class = 'pg_opfamily'::regclass AND id = f.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', 'from ' || pg_encoding_to_char(conforencoding), 'to ' || pg_encoding_to_char(contoencoding), routine(conproc), CASE WHEN condefault THEN 'default' END), NULL
FROM named JOIN pg_conversion c ON class = 'pg_conversion'::regclass AND id = c.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', CASE collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' WHEN 'b' THEN 'builtin' ELSE collprovider::text END,
         CASE WHEN NOT collisdeterministic THEN 'not deterministic' END,
         'rules ' || quote_literal(collicurules), -- since 16
         CASE WHEN collprovider = 'c' THEN 'collate ' || collcollate || ', ctype ' || collctype END,
         CASE WHEN collprovider = 'b' THEN 'locale ' || colllocale END), -- since 17
         NULL), -- until 16
       NULL
FROM named JOIN pg_collation c ON class = 'pg_collation'::regclass AND id = c.oid
UNION ALL
-- Servers from 16 on spell an ICU locale anew.
SELECT 'collation locale', identity,
       colllocale, -- since 17
       colliculocale, -- in 15 to 16
       collcollate, -- until 14
       json_build_array('locale')::text
FROM named JOIN pg_collation c ON class = 'pg_collation'::regclass AND id = c.oid WHERE collprovider = 'i'
UNION ALL
SELECT kind, identity, concat_ws(', ', 'parser ' || (SELECT ident(nspname) || '.' || ident(prsname) FROM pg_ts_parser p JOIN pg_namespace n ON n.oid = prsnamespace WHERE p.oid = cfgparser),
         listed('mapping', (SELECT array_agg(concat_ws(' ', lpad(maptokentype::text, 3), mapseqno, ident(nspname) || '.' || ident(dictname)))
                            FROM pg_ts_config_map m JOIN pg_ts_dict d ON d.oid = mapdict JOIN pg_namespace n ON n.oid = dictnamespace WHERE mapcfg = c.oid))), NULL
FROM named JOIN pg_ts_config c ON class = 'pg_ts_config'::regclass AND id = c.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', 'template ' || (SELECT ident(nspname) || '.' || ident(tmplname) FROM pg_ts_template t JOIN pg_namespace n ON n.oid = tmplnamespace WHERE t.oid = dicttemplate), dictinitoption), NULL
FROM named JOIN pg_ts_dict d ON class = 'pg_ts_dict'::regclass AND id = d.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', routine(prsstart), routine(prstoken), routine(prsend), routine(prslextype), routine(prsheadline)), NULL
FROM named JOIN pg_ts_parser p ON class = 'pg_ts_parser'::regclass AND id = p.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', routine(tmplinit), routine(tmpllexize)), NULL
FROM named JOIN pg_ts_template t ON class = 'pg_ts_template'::regclass AND id = t.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', CASE WHEN lanpltrusted THEN 'trusted' END, routine(lanplcallfoid), 'inline ' || routine(laninline), 'validator ' || routine(lanvalidator)), NULL
FROM named JOIN pg_language l ON class = 'pg_language'::regclass AND id = l.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', 'from sql ' || routine(trffromsql), 'to sql ' || routine(trftosql)), NULL
FROM named JOIN pg_transform t ON class = 'pg_transform'::regclass AND id = t.oid
UNION ALL
SELECT kind, identity, concat_ws(', ', CASE amtype WHEN 't' THEN 'table' ELSE 'index' END, routine(amhandler)), NULL
FROM named JOIN pg_am a ON class = 'pg_am'::regclass AND id = a.oid
