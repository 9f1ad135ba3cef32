/* For wheels, which tools/wheels.sh compiles with `-include`: calls of glibc's threads by their oldest names.
 *
 * glibc 2.34 moved these functions into libc.so.6 and gave them that version; it still answers to the one before, by
 * which every glibc since 2.2.5 knows them. So a module that was linked here is loaded on older systems too. */
#if defined(__x86_64__) && defined(__linux__)
__asm__(".symver pthread_create, pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_detach, pthread_detach@GLIBC_2.2.5");
__asm__(".symver pthread_once, pthread_once@GLIBC_2.2.5");
__asm__(".symver pthread_mutex_trylock, pthread_mutex_trylock@GLIBC_2.2.5");
#endif
