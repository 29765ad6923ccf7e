/* The one enum of faults: every parser and encoder of csrc/ returns > 0 bytes consumed or written, 0 = GW_NEED_MORE, < 0 a fault. */
#ifndef GW_FAULT_H
#define GW_FAULT_H
#include <stdint.h>

enum gw_fault_code {
    GW_NEED_MORE = 0,      /* the bytes so far are the beginning of a message; come again with more */
    GW_E_FRAME = -1,       /* a frame length or delimiter that no message can have */
    GW_E_TYPE = -2,        /* a message type that the layout does not have in this direction */
    GW_E_SHORT = -3,       /* the message ends before its fixed part does */
    GW_E_LONG = -4,        /* bytes are left over in the message */
    GW_E_VALUE = -5,       /* a code that is not one of the field's */
    GW_E_RANGE = -6,       /* a number that does not fit its place */
    GW_E_SCALE = -7,       /* a number that is not a multiple of what the place can hold; never rounded */
    GW_E_NULL = -8,        /* a value that on the wire would mean absent */
    GW_E_TEXT = -9,        /* text too long or not printable ASCII */
    GW_E_MISSING = -10,    /* a field that the message needs is not given */
    GW_E_REFUSED = -11,    /* a field or combination that the message cannot express */
    GW_E_SPACE = -12,      /* the caller's buffer is too small */
    GW_E_TABLE = -13,      /* the layout's tables are not sound */
    GW_E_CONSTANT = -14,   /* a byte that must have one value has another */
    GW_E_TAG = -15,        /* an optional field of the wrong length, twice, or cut off */
    GW_E_PADDING = -16,    /* padding, or a record's absent field, is not zero */
    GW_E_CHECKSUM = -17,   /* a checksum or CRC is wrong */
    GW_E_VERSION = -18,    /* a version of the message that is not understood */
    GW_E_ARGUMENT = -19,   /* the caller asks for a message or field that does not exist */
    GW_E_ORDER = -20,      /* an ordinal that is not the next one */
    GW_E_SIZE = -21,       /* FIX: a frame longer than the session allows */
    GW_E_SYNTAX = -22,     /* FIX: bytes that are not tag=value, or a data field that is not as long as its length field says */
    GW_E_HEADER = -23,     /* FIX: the message does not begin 8, 9, 35, or has a second CheckSum */
    GW_E_SEQ_NUM = -24,    /* FIX: no MsgSeqNum, or one that is no number */
    GW_E_FIELDS = -25,     /* FIX: more fields than the index holds; the header was read */
    GW_E_EMPTY = -26,      /* FIX: a tag without a value */
    GW_E_FORMAT = -27,      /* FIX: a value that its field's data type cannot have */
    GW_E_DIFFERS = -28     /* replay: what is decided now is not what the journal says */
};

#define GW_FAULT_NONE 65535 /* in message, field or bit: none */

/* What is wrong and where. Filled on every negative result; message is filled on success too (which message it was). */
typedef struct gw_fault {
    int32_t code;     /* enum gw_fault_code */
    uint32_t offset;  /* decode: byte of the frame; encode: byte of the output */
    uint16_t message; /* index in the layout's messages, GW_FAULT_NONE if not known */
    uint16_t field;   /* index of the field in the message (FIX: the tag), GW_FAULT_NONE if no single one */
    uint16_t bit;     /* presence bit: 0..63 of has, 64..127 of has2, GW_FAULT_NONE if no single one */
    uint16_t pad_;    /* zero */
} gw_fault;

#endif
