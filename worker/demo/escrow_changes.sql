-- A morning's work in the demo's escrow application: what the second backup must bring over.
-- Once over escrow.sql: users 57 -> 60, wallets 45 -> 48, transactions 234 -> 240, escrows 12 -> 13.

-- Three people sign up; two of them open a wallet and pay in.
INSERT INTO public.users (email, display_name, role, country, password_hash, preferences) VALUES
    ('zoe.okafor@example.com', 'Zoë Okafor', 'seller', 'NG', '$2b$12$' || md5('zoe'), '{"language": "en"}'),
    ('liam.murphy@example.com', 'Liam O''Murphy', 'buyer', 'IE', '$2b$12$' || md5('liam'), '{"language": "en"}'),
    ('mei.tanaka@example.com', '田中 芽衣', 'both', 'JP', '$2b$12$' || md5('mei'), '{"language": "ja"}');

INSERT INTO public.wallets (user_id, currency, balance, address)
SELECT id, 'USD', 500, 'w_' || left(md5(email), 24)
FROM public.users WHERE email IN ('liam.murphy@example.com', 'mei.tanaka@example.com');

INSERT INTO public.transactions (reference, wallet_id, kind, amount, note)
SELECT md5('first deposit of ' || u.email)::uuid, w.id, 'deposit', 500, 'first deposit'
FROM public.wallets AS w JOIN public.users AS u ON u.id = w.user_id
WHERE u.email IN ('liam.murphy@example.com', 'mei.tanaka@example.com');

-- One of them makes a deal.
INSERT INTO public.escrows (buyer_id, seller_id, title, terms, amount, status, due_on)
SELECT b.id, s.id, 'Concert tickets', 'Released on entry.', 180, 'draft', date '2025-11-15'
FROM public.users AS b, public.users AS s
WHERE b.email = 'liam.murphy@example.com' AND s.email = 'zoe.okafor@example.com';

-- An escrow is released: its status, two wallets, one transaction, one event.
SELECT public.release_escrow('ESC-1002');

-- Money moves between two dollar wallets, and a fee is taken.
UPDATE public.wallets SET balance = balance - 25 WHERE id = 5;
UPDATE public.wallets SET balance = balance + 24.5 WHERE id = 10;
INSERT INTO public.transactions (reference, wallet_id, kind, amount, note) VALUES
    (md5('transfer out')::uuid, 5, 'withdrawal', -24.5, 'to a friend'),
    (md5('transfer in')::uuid, 10, 'deposit', 24.5, 'from a friend'),
    (md5('transfer fee')::uuid, 5, 'fee', -0.5, 'of 25, for the transfer');

-- Somebody corrects a name.
UPDATE public.users SET display_name = 'Ada Fischer-Lang' WHERE id = 11;
