// What the JDBC driver does with a server; prints one line a step, so that two runs can be compared.
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.*;
import java.util.Arrays;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.util.PSQLException;

public class JdbcClient {
    static String url;

    static void say(String step, Object value) {
        System.out.println(step + " " + value);
    }

    static Connection connect(String... more) throws SQLException {
        Properties p = new Properties();
        p.setProperty("user", "postgres");
        p.setProperty("sslmode", "prefer");
        p.setProperty("loginTimeout", "20");
        for (int i = 0; i < more.length; i += 2) p.setProperty(more[i], more[i + 1]);
        return DriverManager.getConnection(url + p.getProperty("db", "postgres"), p);
    }

    interface Action { void run() throws Exception; }

    static String failure(Action action) {
        try {
            action.run();
            return "no error";
        } catch (PSQLException e) {
            var m = e.getServerErrorMessage();
            return e.getSQLState() + " " + (m == null ? e.getMessage() : m.getMessage() + " @" + m.getPosition());
        } catch (Exception e) {
            return e.toString();
        }
    }

    static String rows(ResultSet r) throws SQLException {
        StringBuilder out = new StringBuilder();
        int n = r.getMetaData().getColumnCount();
        while (r.next()) {
            for (int i = 1; i <= n; i++) out.append(r.getString(i)).append(i < n ? "," : ";");
        }
        return out.toString();
    }

    static void queries(Connection c, Statement s) throws Exception {
        say("simple", rows(s.executeQuery("select id, name, price from items where id < 4 order by id")));
        ResultSetMetaData m = s.executeQuery("select * from items limit 0").getMetaData();
        for (int i = 1; i <= m.getColumnCount(); i++)
            say("column", m.getColumnName(i) + " " + m.getColumnTypeName(i) + " " + m.getPrecision(i));
        say("error", failure(() -> s.executeQuery("select nix from items")));
        say("several", s.execute("select 1; select 2") + " " + s.getMoreResults());
        ResultSet t = c.getMetaData().getTables(null, "public", "%", new String[] {"TABLE"});
        while (t.next()) say("table", t.getString("TABLE_NAME"));
        say("keys", rows(c.getMetaData().getPrimaryKeys(null, "public", "items")));
    }

    static void prepared(Connection c) throws Exception {
        try (PreparedStatement p = c.prepareStatement("select name, price from items where id = ? and name like ?")) {
            for (int i = 1; i < 12; i++) {  // the driver prepares on the server from the fifth run on
                p.setInt(1, i);
                p.setString(2, "item%");
                say("prepared", rows(p.executeQuery()));
            }
        }
        try (PreparedStatement p = c.prepareStatement("select 10 / ?")) {
            for (int i = -6; i < 7; i++) {
                int n = i;
                say("divide", failure(() -> { p.setInt(1, n); say("", rows(p.executeQuery())); }));
            }
        }
        for (int i = 0; i < 400; i++) {  // more than its cache holds
            try (PreparedStatement p = c.prepareStatement("select " + i + " + ?")) {
                p.setInt(1, 1);
                for (int k = 0; k < (i % 40 == 0 ? 7 : 1); k++) rows(p.executeQuery());
            }
        }
        say("cache", "passed");
    }

    static void batches(Connection c) throws Exception {
        c.setAutoCommit(false);
        try (PreparedStatement p = c.prepareStatement("insert into bulk values (?, ?)")) {
            for (int i = 0; i < 3000; i++) {
                p.setInt(1, -i - 10);
                p.setString(2, "batch " + i);
                p.addBatch();
            }
            say("batch", Arrays.stream(p.executeBatch()).sum());
        }
        try (PreparedStatement p = c.prepareStatement("insert into bulk values (?, ?) returning n",
                Statement.RETURN_GENERATED_KEYS)) {
            for (int i = 0; i < 300; i++) { p.setInt(1, i); p.setString(2, null); p.addBatch(); }
            p.executeBatch();
            ResultSet keys = p.getGeneratedKeys();
            int sum = 0;
            while (keys.next()) sum += keys.getInt(1);
            say("generated keys", sum);
        }
        Savepoint sp = c.setSavepoint();
        try (Statement s = c.createStatement()) {
            for (int i = 0; i < 50; i++) s.addBatch("insert into items values (" + (i == 25 ? 1 : 9000 + i) + ", 'b')");
            say("failing batch", failure(s::executeBatch).split(" ")[0]);
        }
        c.rollback(sp);
        c.rollback();
        c.setAutoCommit(true);
    }

    static void copy(Connection c) throws Exception {
        var manager = c.unwrap(PGConnection.class).getCopyAPI();
        c.setAutoCommit(false);
        c.createStatement().execute("delete from bulk");
        StringBuilder in = new StringBuilder();
        for (int i = 0; i < 30000; i++) in.append(i).append("\trow ").append(i).append('\n');
        say("copy in", manager.copyIn("copy bulk from stdin", new StringReader(in.toString())));
        StringWriter out = new StringWriter();
        say("copy out", manager.copyOut("copy (select * from bulk order by n) to stdout", out));
        say("same", out.toString().contentEquals(in));
        say("bad copy", failure(() -> manager.copyIn("copy bulk from stdin", new StringReader("x\ty\n"))));
        c.rollback();
        var cancelled = manager.copyIn("copy bulk from stdin");
        cancelled.writeToCopy("1\tx\n".getBytes(), 0, 4);
        cancelled.cancelCopy();
        c.rollback();
        c.setAutoCommit(true);
        say("after copy", rows(c.createStatement().executeQuery("select 1")));
    }

    static void cursors(Connection c) throws Exception {
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
            s.setFetchSize(7);
            ResultSet r = s.executeQuery("select id from items order by id");
            long sum = 0;
            int n = 0;
            while (r.next()) { sum += r.getInt(1); n++; }
            say("cursor", n + " " + sum);
            s.setMaxRows(20);
            say("max rows", rows(s.executeQuery("select id from items order by id")));
        }
        c.commit();
        c.setAutoCommit(true);
    }

    static void cancel(Connection c) throws Exception {
        try (Statement s = c.createStatement()) {
            new Thread(() -> {
                try { Thread.sleep(300); s.cancel(); } catch (Exception e) { say("cancel", e); }
            }).start();
            say("cancelled", failure(() -> s.execute("select pg_sleep(20)")));
            s.setQueryTimeout(1);
            say("timeout", failure(() -> s.execute("select pg_sleep(20)")));
            s.setQueryTimeout(0);
            say("after", rows(s.executeQuery("select 1")));
        }
    }

    static void notifications(Connection c) throws Exception {
        PGConnection pg = c.unwrap(PGConnection.class);
        c.createStatement().execute("listen jdbc");
        try (Connection other = connect()) { other.createStatement().execute("notify jdbc, 'ping'"); }
        PGNotification[] got = pg.getNotifications(10000);
        say("notified", got[0].getName() + " " + got[0].getParameter() + " " + (got[0].getPID() != pg.getBackendPID()));
        say("pid", rows(c.createStatement().executeQuery("select pg_backend_pid()")).equals(pg.getBackendPID() + ";"));
    }

    static void large(Connection c) throws Exception {
        c.setAutoCommit(false);
        var api = c.unwrap(PGConnection.class).getLargeObjectAPI();  // by FunctionCall
        long oid = api.createLO();
        var lo = api.open(oid);
        lo.write(new byte[100000]);
        lo.seek(0);
        say("large object", lo.read(200000).length);
        lo.close();
        api.delete(oid);
        c.commit();
        c.setAutoCommit(true);
        try (PreparedStatement p = c.prepareStatement("select length(?::bytea)")) {
            p.setBytes(1, new byte[5 << 20]);
            say("bytes", rows(p.executeQuery()));
        }
    }

    public static void main(String[] args) throws Exception {
        url = "jdbc:postgresql://" + args[0] + ":" + args[1] + "/";
        for (String mode : new String[] {"extended", "simple", "extendedForPrepared", "extendedCacheEverything"}) {
            try (Connection c = connect("preferQueryMode", mode); Statement s = c.createStatement()) {
                say("mode", mode);
                queries(c, s);
                if (!mode.equals("extendedForPrepared")) prepared(c);
                batches(c);
            }
        }
        try (Connection c = connect()) {
            copy(c);
            cursors(c);
            cancel(c);
            notifications(c);
            large(c);
        }
        for (String user : new String[] {"pw_plain", "pw_md5", "pw_scram"}) {
            try (Connection c = connect("user", user, "password", "secret")) {
                say(user, rows(c.createStatement().executeQuery("select current_user")));
            }
            say(user, failure(() -> connect("user", user, "password", "wrong")));
        }
        say("no database", failure(() -> connect("db", "nope")));
        say("bad option", failure(() -> connect("options", "-c nope=1")));
        say("done", true);
    }
}
