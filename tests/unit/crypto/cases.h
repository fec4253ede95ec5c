/* The cases that each build of the crypto seam has to pass. */
#ifndef OTA_TESTS_CRYPTO_CASES_H
#define OTA_TESTS_CRYPTO_CASES_H

/* Runs them as one group; the number that failed. */
int crypto_cases_run(void);

#endif
