/* A release that crashes in its first instruction, before clock and log are set up. */
int main(void)
{
    __asm volatile("udf #0");
    return 0;
}
