/* SPDX-License-Identifier: MIT */
/*
 * users_windows.c - the accounts of this machine, and those that every Windows has, by LookupAccountSidW.
 *
 * Not those of a domain: Windows may ask a domain controller for them. That connection is held until a decider answers,
 * and the decider would be waiting for it. Such a user is shown by SID.
 */
#include "agent/users.h"

#include <stdbool.h>
#include <string.h>

#include <windows.h>
#include <ntsecapi.h>

#include <gatehouse/protocol.h>

#include "agent/clock.h"
#include "agent/wide_windows.h"

#define USERS_CACHE_SIZE 64u
#define USERS_FRESH      (60 * CLOCK_SECOND)

struct entry {
    size_t size; /* 0: free */
    uint8_t sid[GATEHOUSE_SID_MAX];
    uint64_t found_at;         /* boot time */
    char name[USERS_NAME_MAX]; /* empty: known to have none */
};

static struct entry cache[USERS_CACHE_SIZE];

/* The SID that begins those of this machine's own accounts; *size 0 when Windows does not tell. */
static const uint8_t *machine_sid(size_t *size)
{
    static uint8_t sid[GATEHOUSE_SID_MAX];
    static size_t known;
    static bool asked;
    LSA_OBJECT_ATTRIBUTES attributes = {0};
    PPOLICY_ACCOUNT_DOMAIN_INFO domain = NULL;
    LSA_HANDLE policy = NULL;

    if (!asked && LsaOpenPolicy(NULL, &attributes, POLICY_VIEW_LOCAL_INFORMATION, &policy) == 0) {
        if (LsaQueryInformationPolicy(policy, PolicyAccountDomainInformation, (PVOID *)&domain) == 0) {
            if (domain->DomainSid != NULL && IsValidSid(domain->DomainSid) &&
                GetLengthSid(domain->DomainSid) <= sizeof(sid)) {
                known = GetLengthSid(domain->DomainSid);
                memcpy(sid, domain->DomainSid, known);
            }
            LsaFreeMemory(domain);
        }
        LsaClose(policy);
    }
    asked = true;
    *size = known;
    return sid;
}

/* Whether this machine knows the account without asking another. */
static bool is_local(const uint8_t *sid, size_t size)
{
    static const uint8_t everyone[12] = {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
    static const uint8_t nt_authority[6] = {0, 0, 0, 0, 0, 5};
    static const uint8_t account[4] = {21, 0, 0, 0};
    const uint8_t *machine;
    size_t length;

    if (size == sizeof(everyone) && memcmp(sid, everyone, size) == 0)
        return true;
    if (size < 12 || memcmp(sid + 2, nt_authority, sizeof(nt_authority)) != 0)
        return false;
    if (memcmp(sid + 8, account, sizeof(account)) != 0)
        return true;
    /* An account's SID is its domain's with one more number, and so one more in the count. */
    machine = machine_sid(&length);
    return length > 8 && size == length + 4 && memcmp(sid + 8, machine + 8, length - 8) == 0;
}

static void read_name(struct entry *entry)
{
    wchar_t name[USERS_NAME_MAX], domain[256];
    DWORD name_size = USERS_NAME_MAX, domain_size = 256;
    SID_NAME_USE use;

    entry->name[0] = '\0';
    if (is_local(entry->sid, entry->size) &&
        LookupAccountSidW(NULL, entry->sid, name, &name_size, domain, &domain_size, &use) &&
        !wide_to_utf8(name, entry->name, sizeof(entry->name)))
        entry->name[0] = '\0';
}

static unsigned place_of(const uint8_t *sid, size_t size)
{
    unsigned sum = 0;

    for (size_t i = 0; i < size; i++)
        sum = sum * 31u + sid[i];
    return sum % USERS_CACHE_SIZE;
}

const char *users_name(const uint8_t *sid, size_t size)
{
    struct entry *entry;
    uint64_t now = clock_boot();

    if (size < 8 || size > GATEHOUSE_SID_MAX || sid[0] != 1 || size != 8u + 4u * (size_t)sid[1])
        return NULL;
    entry = &cache[place_of(sid, size)];
    if (entry->size != size || memcmp(entry->sid, sid, size) != 0 || now - entry->found_at > USERS_FRESH) {
        entry->size = size;
        memcpy(entry->sid, sid, size);
        entry->found_at = now;
        read_name(entry);
    }
    return entry->name[0] == '\0' ? NULL : entry->name;
}
