# Lines of BearSSL that the bootloader has otherwise; docs/bootloader.md, "Crypto", says why. Where a
# line is not found it stays as it was, and the limits of `make size` tell. tests/unit/test_crypto.c
# runs on both forms.

# ec_prime_i15.c, run_code: its registers. ecdsa_i15_vrfy_raw.c: its numbers modulo the order. Off
# the stack; neither function is entered twice at a time.
s/^\tuint16_t t\[13\]\[I15_LEN\];/\tstatic&/
s/^\tuint16_t n\[I15_LEN\], r\[I15_LEN\],/\tstatic&/
s/^\tunsigned char t[xy]\[(BR_MAX_EC_SIZE + 7) >> 3\];/\tstatic&/
s/^\tunsigned char eU\[POINT_LEN\];/\tstatic&/
# ec_prime_i15.c, id_to_curve: the parameters of the other two curves.
/^\t\t{ P384_P, /d
/^\t\t{ P521_P, /d
# sha2small.c: one step a turn instead of eight, and no table of functions.
/^\t\tSHA2_STEP(.*, i + [1-7]);/d
s/^\t\tSHA2_STEP(a, b, c, d, e, f, g, h, i + 0);/\t\tSHA2_STEP(a, b, c, d, e, f, g, h, i); { uint32_t t = h; h = g; g = f; f = e; e = d; d = c; c = b; b = a; a = t; }/
s/^\tfor (i = 0; i < 64; i += 8) {/\tfor (i = 0; i < 64; i ++) {/
/^\tcc->vtable = &br_sha256_vtable;/d
# i15_montmul.c: no unrolled loop before the plain one.
s/^\tlen4 = len & ~(size_t)3;/\tlen4 = 0;/
# i15_muladd.c: no case for a modulus of one word.
/^\tif (m_bitlen == 0) {/,/^\tmlen = /{
/^\tmlen = /!d
}
