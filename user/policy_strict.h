/* SPDX-License-Identifier: MIT */
/* policy_strict.h - what libcyaml lets pass in a policy file, and we do not. */
#ifndef POLICY_STRICT_H
#define POLICY_STRICT_H

#include <stddef.h>

/* 0, or -EINVAL after logging the line. What is no YAML is left to libcyaml to say. */
int policy_strict(const char *path, const char *text, size_t len);

#endif
