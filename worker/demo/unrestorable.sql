-- A migration as it happens: it works in production, and no dump of the database can be restored any more.
-- sounds_polite() calls has_words() without its schema; a dump is restored with an empty search_path, where the
-- check of each row fails.
CREATE FUNCTION public.has_words(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 ~ '\w' $$;
CREATE FUNCTION public.sounds_polite(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN has_words($1) AND $1 !~* 'damn';
END
$$;
ALTER TABLE public.escrows ADD CONSTRAINT escrows_polite_title CHECK (public.sounds_polite(title));
UPDATE public.escrows SET title = title || ' (checked)' WHERE id = 1;
