// ESPALIER_API marks every function and class that the shared library shows; all else is hidden (-fvisibility=hidden).
#ifndef ESPALIER_EXPORT_H
#define ESPALIER_EXPORT_H

#if defined(__GNUC__)
#define ESPALIER_API __attribute__((visibility("default")))
#else
#define ESPALIER_API
#endif

#endif
