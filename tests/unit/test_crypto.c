#include "tests/unit/crypto/cases.h"

int main(void)
{
    return crypto_cases_run();
}
