"""Conversations in PostgreSQL's protocol: what a client sends, and when it waits.

Each is a list of steps (bytes, last message, how many of them).  They use only
permanent tables and end as they began, so that the answers can be compared byte
for byte between two connections.
"""
import struct

from raw import (bind, close, copy_data, copy_done, copy_fail, describe, execute, extended, flush,
                 function_call, i16, i32, msg, parse, query, sync, terminate)

ALL = {}


def conversation(name, *steps):
    """Steps are (bytes, kind, count) or bytes alone, which means: until one ReadyForQuery."""
    assert name not in ALL
    ALL[name] = [s if isinstance(s, tuple) else (s, 'Z', 1) for s in steps]


def n_syncs(n, data):
    return (data, 'Z', n)


CLOSE = 'close'  # in place of a message type: until the server closes

# --- simple protocol
conversation('empty query', query(''))
conversation('only a comment', query('-- nothing\n/* really */ ;;'))
conversation('several statements', query('select 1; select 2, 3; ; select 4'))
conversation('error between statements', query("select 1; select 1/0; select 3"))
conversation('error position', query('select id,\n  nome from items -- ü'))
conversation('error position after wide characters', query("select 'äöü€😀', nix"))
conversation('notice', query("do $$ begin raise notice 'n %', 1; raise warning 'w' using detail='d',"
                             " hint='h', errcode='01234'; end $$"))
conversation('raised error with every field', query(
    "do $$ begin raise 'm' using detail='d', hint='h', errcode='22012', column='c', constraint='k',"
    " datatype='t', table='tab', schema='s'; end $$"))
conversation('transaction states', query('begin'), query('select 1/0'), query('select 1'),
             query('rollback'), query('select 1'))
conversation('savepoints', query('begin; savepoint a'), query('select nix'),
             query('rollback to a; select 5'), query('commit'))
conversation('implicit transaction rolled back', query(
    "insert into bulk values (-1, 'x'); select 1/0"), query('select count(*) from bulk where n = -1'))
conversation('two hundred queries at once',
             n_syncs(200, b''.join(query(f'select {i}, name from items where id = {i}')
                                   for i in range(200))))
conversation('all rows', query('select * from items'))
conversation('nulls and empty strings', query("select null, '', ' ', null::int"))
conversation('no columns', query('select from generate_series(1, 3)'))
conversation('set reports', query("set application_name = 'αβγ'; set timezone = 'Asia/Seoul';"
                                  " set datestyle = 'SQL, DMY'"), query('reset all'))
conversation('command tags', query(
    "begin; insert into bulk values (1,'a'),(2,'b'); update bulk set t='c' where n<3;"
    " delete from bulk where n=1; create table tags (i int); drop table tags; lock table bulk;"
    " declare c cursor for select * from items; fetch 3 from c; move 2 from c; close c; rollback"))
conversation('SQL-level prepare', query('prepare q(int) as select name from items where id = $1'),
             query('execute q(3); deallocate q; execute q(4)'), query('deallocate all'))

# --- extended protocol
conversation('parse to sync', extended('select name from items where id = $1::int', ['7']) + sync())
conversation('all message kinds with a name',
             parse('select id, name from items where id < $1', 's1', [23]) + describe('S', 's1')
             + bind(['3'], 'p1', 's1') + describe('P', 'p1') + execute('p1') + close('P', 'p1')
             + close('S', 's1') + sync())
conversation('trailing describe and sync', parse('select $1::int, $2::text', 'd1') + describe('S', 'd1')
             + sync(), bind(['1', 'x'], '', 'd1') + execute() + sync(), close('S', 'd1') + sync())
conversation('describe a statement without rows', parse("set work_mem = '5MB'") + describe('S') + sync(),
             query('reset work_mem'))
conversation('no data portal', extended('begin') + sync(), extended('rollback') + sync())
conversation('empty statement', extended('') + sync())
conversation('flush at every step',
             (parse('select id from items order by id') + flush(), '1', 1),
             (describe('S') + flush(), 'T', 1), (bind() + flush(), '2', 1),
             (execute(rows=2) + flush(), 's', 1), (execute(rows=2) + flush(), 's', 1),
             (close('P') + flush(), '3', 1), sync())
conversation('bind, describe and flush before execute',
             query('begin'),
             (parse('select id, name from items order by id', 'c') + bind((), 'cur', 'c')
              + describe('P', 'cur') + flush(), 'T', 1),
             (execute('cur', 3) + flush(), 's', 1), (execute('cur', 3) + flush(), 's', 1),
             (execute('cur', 1000) + flush(), 'C', 1),
             close('P', 'cur') + close('S', 'c') + sync(), query('commit'))
conversation('two portals in turn over several syncs',
             query('begin'),
             parse('select id from items where id <= 5 order by id', 'a') + bind((), 'pa', 'a')
             + parse('select name from items where id <= 5 order by id desc', 'b') + bind((), 'pb', 'b')
             + sync(),
             execute('pa', 2) + execute('pb', 2) + sync(), execute('pb', 2) + execute('pa', 2) + sync(),
             n_syncs(2, execute('pa', 2) + sync() + execute('pb', 0) + sync()),
             query('commit'), close('S', 'a') + close('S', 'b') + sync())
conversation('portal gone after its transaction',
             parse('select 1', 'g') + bind((), 'gone', 'g') + sync(), execute('gone') + sync(),
             close('S', 'g') + sync())
conversation('portal from a SQL cursor', query('begin; declare cc cursor for select id from items'),
             describe('P', 'cc') + execute('cc', 2) + execute('cc', 3) + sync(), query('rollback'))
conversation('row limit equal to the row count', query('begin'),
             extended('select 1 from generate_series(1,3)', rows=3) + execute(rows=1) + sync(),
             query('commit'))
conversation('binary parameters and results',
             parse('select $1::int4 + 1, $2::text, $3::bytea, $4::float8', types=[23, 25, 17, 701])
             + bind([i32(41), 'grün', b'\0\1\2', struct.pack('!d', 1.5)], formats=[1, 0, 1, 1],
                    result_formats=[1, 0, 1, 1]) + describe('P') + execute() + sync())
conversation('one format for all', parse('select $1::int4, $2::int4')
             + bind([i32(1), i32(2)], formats=[1], result_formats=[1]) + execute() + sync())
conversation('null parameters', extended('select $1::int is null, $2::text is null', [None, None])
             + sync())
conversation('many parameters', parse('select ' + ' + '.join(f'${i}::int' for i in range(1, 1001)))
             + bind([str(i) for i in range(1000)]) + execute() + sync())

# --- errors at every message
conversation('error in parse', extended('selec 1') + extended('select 2') + sync())
conversation('error in parse, position', parse('select  nix from items') + sync())
conversation('statement exists already', parse('select 1', 'twice') + parse('select 2', 'twice') + sync(),
             bind((), '', 'twice') + execute() + sync(), close('S', 'twice') + sync())
conversation('too few parameters', parse('select $1::int, $2::int') + bind(['1']) + execute() + sync())
conversation('bad parameter text', parse('select $1::int') + bind(['abc']) + execute() + sync())
conversation('wrong number of formats', parse('select $1::int, $2::int, $3::int')
             + bind(['1', '2', '3'], formats=[0, 0]) + sync())
conversation('bad binary parameter', parse('select $1::int') + bind([b'\1'], formats=[1]) + sync())
conversation('unknown statement', bind((), '', 'nope') + describe('P') + execute() + sync())
conversation('describe of unknown names', n_syncs(2, describe('S', 'nope') + sync()
                                                  + describe('P', 'nope') + sync()))
conversation('execute of an unknown portal', execute('nope') + sync())
conversation('close of unknown names', close('S', 'nope') + close('P', 'nope') + sync())
conversation('error in execute', parse('select 1/(id-3) from items where id < 5 order by id') + bind()
             + execute() + sync())
conversation('close then error', parse('select 1', 'ce') + sync(),
             close('S', 'ce') + parse('bad') + close('S', 'ce') + bind() + sync(),
             parse('select 2', 'ce') + close('S', 'ce') + sync())
conversation('close skipped after an error', parse('select 1', 'cs') + sync(),
             parse('bad') + close('S', 'cs') + sync(), bind((), '', 'cs') + execute() + sync(),
             close('S', 'cs') + sync())
conversation('error, then a query without sync',
             n_syncs(2, parse('bad') + query('select 1') + bind() + sync() + query('select 2')))
conversation('batch without sync before a query',
             n_syncs(2, extended('select 1') + query('select 2') + extended('select 3') + sync()))
conversation('error answered before sync', (parse('bad') + flush(), 'E', 1), sync())
conversation('error without flush comes at once', (parse('bad'), 'E', 1), sync())
conversation('errors in every second batch of many',
             n_syncs(100, b''.join(extended('select 1' if i % 2 else f'select {i}/0') + sync()
                                   for i in range(100))))
conversation('hundreds of batches at once',
             n_syncs(400, b''.join(extended('select id, name from items where id = $1::int', [str(i)])
                                   + sync() for i in range(400))))
conversation('hundreds of statements in one batch',
             b''.join(extended('select $1::text', [f'value {i}']) for i in range(400)) + sync())
conversation('error in the middle of one batch', query('delete from bulk where n = -5'),
             b''.join(extended(f"insert into bulk values (-5, '{i}')") for i in range(10))
             + extended('select 1/0') + extended('select 1') + sync(),
             query('select count(*) from bulk where n = -5'))
conversation('syncs alone', n_syncs(50, sync() * 50))
conversation('flush alone', (flush() * 10 + query('select 1'), 'Z', 1))
conversation('transaction in a pipeline',
             n_syncs(3, extended('begin') + sync() + extended("insert into bulk values (-6,'x')")
                     + sync() + extended('rollback') + sync()))
conversation('failed transaction in a pipeline',
             n_syncs(4, extended('begin') + sync() + extended('select 1/0') + sync()
                     + extended('select 1') + sync() + extended('rollback') + sync()))
conversation('discard all drops what is prepared', parse('select 1', 'k') + sync(),
             query('discard all'), bind((), '', 'k') + execute() + sync())
conversation('deallocate in a pipeline spares the later one',
             n_syncs(3, parse('select 1', 'k1') + sync() + query('deallocate all')
                     + parse('select 2', 'k2') + sync()),
             bind((), '', 'k2') + execute() + sync(), bind((), '', 'k1') + sync(), query('deallocate all'))
conversation('deallocate of a protocol name', parse('select 9', 'x1') + sync(), query('deallocate x1'),
             bind((), '', 'x1') + sync())
conversation('unnamed statement survives a sync, not a query',
             parse('select 11') + sync(), bind() + execute() + sync(), query('select 12'),
             bind() + execute() + sync())
conversation('transaction inside execute of one batch',
             extended('begin') + extended('select txid_current() is not null') + extended('commit') + sync())

# --- FunctionCall
conversation('function call', function_call(177, [i32(40), i32(2)], [1], 1))
conversation('function call in text', function_call(177, [b'40', b'2'], [0], 0))
conversation('function call with null', function_call(177, [None, i32(2)], [1], 1))
conversation('function call of nothing', function_call(0, []))
conversation('function calls in a pipeline',
             n_syncs(3, function_call(177, [i32(1), i32(2)], [1], 1) + query('select 1')
                     + function_call(177, [i32(3), i32(4)], [1], 1)))

# --- COPY
ROWS = b'1\tone\n2\ttwo\n3\t\\N\n'
conversation('copy out', query('copy (select id, name from items where id < 20) to stdout'))
conversation('copy out in csv', query('copy items to stdout (format csv, header)'))
conversation('copy out in binary', query('copy items to stdout (format binary)'))
conversation('copy out with an error', query('copy (select 1/(id-3) from items order by id) to stdout'))
conversation('copy out, extended', extended('copy items to stdout') + sync())
conversation('copy out between others',
             n_syncs(3, query('select 1') + query('copy (select 2) to stdout') + query('select 3')))
conversation('copy in', query('begin; delete from bulk'), (query('copy bulk from stdin'), 'G', 1),
             copy_data(ROWS) + copy_data(b'4\tfour\n') + copy_done(), query('select * from bulk'),
             query('rollback'))
conversation('copy in, all at once', query('begin; delete from bulk'),
             query('copy bulk from stdin') + copy_data(ROWS) + copy_done(),
             query('select * from bulk order by n'), query('rollback'))
conversation('copy in with rows across messages', query('begin; delete from bulk'),
             query('copy bulk from stdin') + b''.join(copy_data(ROWS[i:i + 1]) for i in range(len(ROWS)))
             + copy_data(b'') + copy_done(), query('select * from bulk order by n'), query('rollback'))
conversation('copy in with the old end mark', query('begin; delete from bulk'),
             query('copy bulk from stdin') + copy_data(ROWS + b'\\.\n') + copy_done(),
             query('select count(*) from bulk'), query('rollback'))
conversation('copy fail', (query('copy bulk from stdin'), 'G', 1),
             copy_data(ROWS) + copy_fail('changed my mind'))
conversation('copy with bad data', (query('copy bulk from stdin'), 'G', 1),
             copy_data(b'1\tone\nx\tbad\n') + copy_data(ROWS) * 20 + copy_done(), query('select 1'))
conversation('copy with bad data and queries behind it',
             n_syncs(3, query('copy bulk from stdin') + copy_data(b'x\tbad\n') + copy_data(ROWS) * 50
                     + copy_done() + query('select 1') + query('select 2')))
conversation('copy that does not start', n_syncs(2, query('copy nix from stdin') + copy_data(ROWS)
                                                 + copy_done() + query('select 1')))
conversation('copy in inside several statements', query('begin; delete from bulk'),
             query('select 1; copy bulk from stdin; select count(*) from bulk; copy bulk from stdin;'
                   ' select count(*) from bulk')
             + copy_data(ROWS) + copy_done() + copy_data(ROWS) + copy_done(), query('rollback'))
conversation('copy in and out in one query', query('begin; delete from bulk'),
             query('copy bulk from stdin; copy bulk to stdout') + copy_data(ROWS) + copy_done(),
             query('rollback'))
conversation('copy in, extended', query('begin; delete from bulk'),
             extended('copy bulk from stdin') + copy_data(ROWS) + copy_done() + sync(),
             query('rollback'))
conversation('copy in, extended, waiting', query('begin; delete from bulk'),
             (extended('copy bulk from stdin') + flush(), 'G', 1),
             copy_data(ROWS) + flush() + copy_data(ROWS) + copy_done() + sync(), query('rollback'))
conversation('copy in, extended, sync too early', query('begin; delete from bulk'),
             (extended('copy bulk from stdin') + sync(), 'G', 1),
             copy_data(ROWS) + copy_done() + sync(), query('select count(*) from bulk'),
             query('rollback'))
conversation('copy in, extended, sync too early, all at once', query('begin; delete from bulk'),
             extended('copy bulk from stdin') + sync() + copy_data(ROWS) + copy_done() + sync(),
             query('select count(*) from bulk'), query('rollback'))
conversation('copy in, extended, several early syncs', query('begin; delete from bulk'),
             extended('copy bulk from stdin') + sync() * 3 + copy_data(ROWS) + sync() + flush()
             + copy_data(ROWS) + copy_done() + sync(), query('select count(*) from bulk'),
             query('rollback'))
conversation('copy in, extended, bad data',
             extended('copy bulk from stdin') + copy_data(b'x\tbad\n') + copy_data(ROWS) * 20
             + copy_done() + sync(), query('select 1'))
conversation('copy in, extended, bad data and early sync',
             extended('copy bulk from stdin') + sync() + copy_data(b'x\tbad\n') + copy_done() + sync(),
             query('select 1'))
conversation('copy fail, extended', extended('copy bulk from stdin') + copy_data(ROWS)
             + copy_fail('no') + extended('select 1') + sync(), query('select 1'))
conversation('copy in a batch of others', query('begin; delete from bulk'),
             extended('select 1') + extended('copy bulk from stdin') + copy_data(ROWS) + copy_done()
             + extended('select count(*) from bulk') + sync(), query('rollback'))
conversation('copy messages outside of copy', copy_data(b'stray') + copy_done() + copy_fail('stray')
             + query('select 1'))
conversation('copy in binary', query('begin; delete from bulk'),
             query('copy bulk from stdin (format binary)')
             + copy_data(b'PGCOPY\n\xff\r\n\0' + i32(0) + i32(0))
             + copy_data(i16(2) + i32(4) + i32(7) + i32(3) + b'abc') + copy_data(i16(-1)) + copy_done(),
             query('select * from bulk'), query('rollback'))

# --- messages that are whole but wrong inside: the server says so, the session goes on
conversation('query without terminator', msg('Q', b'select 1'))
conversation('query with garbage behind it', msg('Q', b'select 1\0garbage'))
conversation('query with a broken character', query(b"select '\xff\xfe'"))
conversation('parse without types', msg('P', b'\0select 1\0') + sync())
conversation('parse that promises types', msg('P', b'\0select 1\0' + i16(3) + i32(23)) + sync())
conversation('parse with a negative count', msg('P', b'\0select 1\0' + i16(-1)) + sync())
conversation('bind cut short', parse('select $1::text') + msg('B', b'\0\0' + i16(0) + i16(1) + i32(100)
                                                              + b'abc') + sync())
conversation('bind with a negative length', parse('select $1::text')
             + msg('B', b'\0\0' + i16(0) + i16(1) + i32(-7) + i16(0)) + execute() + sync())
conversation('bind with garbage behind it', parse('select 1')
             + msg('B', b'\0\0' + i16(0) + i16(0) + i16(0) + b'garbage') + execute() + sync())
conversation('describe of an unknown kind', msg('D', b'X\0') + sync())
conversation('close of an unknown kind', msg('C', b'X\0') + sync())
conversation('describe without a name', msg('D', b'S') + sync())
conversation('empty bodies', n_syncs(6, msg('P') + sync() + msg('B') + sync() + msg('D') + sync()
                                     + msg('E') + sync() + msg('C') + sync() + msg('Q')))
conversation('sync and flush with bodies', msg('H', b'abc') + msg('S', b'abc'))
conversation('function call cut short', msg('F', i32(177) + i16(1)))

# --- the end
conversation('terminate', (terminate(), CLOSE, 1))
conversation('terminate behind work', (extended('select 1') + sync() + query('select 2') + terminate(),
                                       CLOSE, 1))
conversation('unknown message type', (query('select 1') + msg('y', b'what?'), CLOSE, 1))
conversation('message of the server', (msg('Z', b'I'), CLOSE, 1))
conversation('password without being asked', (msg('p', b'secret\0'), CLOSE, 1))
