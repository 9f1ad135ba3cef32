/* A program: kernel calls with their arguments, recorded once and run again without Python.
 *
 * Arguments hold addresses, so what changes from one run to the next lies in memory. While a thread records, every
 * kernel that it calls is run and added. A call is refused if it reads memory that the program does not know, or that
 * no call before it wrote: such numbers were computed in another way, and another run would not compute them.
 */
#ifndef GPUCNN_PROGRAM_H
#define GPUCNN_PROGRAM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#define MOST_ARGUMENTS 16

typedef struct {
    void *data;    /* of an array; NULL for None */
    int64_t size;  /* of an array, in elements */
    int64_t bytes; /* of an array */
    double number;
    int64_t whole;
} Argument;

typedef void (*Call)(const Argument *arguments);

typedef enum { NO_MEMORY, CONSTANT, READ, WRITTEN } Use; /* of an argument */

/* Adds a call to the program that this thread records, if it records one. Returns 0 with an exception set where the
 * call is refused. The program keeps references to the objects of constants. */
int record_call(const char *name, Call call, const Argument *arguments, const Use *uses, PyObject *const *objects,
                Py_ssize_t count);

/* Adds the type Program to the module; returns 0 with an exception set where that fails. */
int add_program_type(PyObject *module);

#endif
