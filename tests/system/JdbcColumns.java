import java.math.BigDecimal;
import java.sql.*;

/** Statements over tables whose columns differ, prepared on the server from the first run on, values in binary. */
public class JdbcColumns {
    static void show(String step, ResultSet r) throws SQLException {
        ResultSetMetaData m = r.getMetaData();
        StringBuilder line = new StringBuilder(step);
        for (int i = 1; i <= m.getColumnCount(); i++)
            line.append(' ').append(m.getColumnLabel(i)).append(':').append(m.getColumnTypeName(i));
        while (r.next())
            for (int i = 1; i <= m.getColumnCount(); i++)
                line.append(i == 1 ? " | " : ", ").append(r.getObject(i));
        System.out.println(line);
    }

    static void parameters(String step, PreparedStatement p) throws SQLException {
        ParameterMetaData m = p.getParameterMetaData();
        StringBuilder line = new StringBuilder(step + " takes");
        for (int i = 1; i <= m.getParameterCount(); i++)
            line.append(' ').append(m.getParameterTypeName(i));
        System.out.println(line);
    }

    static void flows(Connection c) throws SQLException {
        PreparedStatement insert = c.prepareStatement("INSERT INTO investor VALUES (?, ?, ?, ?) RETURNING *");
        PreparedStatement read = c.prepareStatement(
            "SELECT *, foreigner * 2 AS twice FROM investor WHERE code = ? AND day >= ? ORDER BY day");
        PreparedStatement update = c.prepareStatement("UPDATE investor SET foreigner = foreigner + ? WHERE code = ?");
        parameters("insert", insert);
        parameters("update", update);
        for (int i = 0; i < 7; i++) {
            insert.setString(1, "00" + i);
            insert.setDate(2, Date.valueOf("2024-01-0" + (i + 1)));
            insert.setLong(3, 1000L * i);
            insert.setBigDecimal(4, new BigDecimal("12.50"));
            show("inserted", insert.executeQuery());
            update.setLong(1, 5);
            update.setString(2, "00" + i);
            System.out.println("updated " + update.executeUpdate());
            read.setString(1, "00" + i);
            read.setDate(2, Date.valueOf("2024-01-01"));
            show("read", read.executeQuery());
        }
        PreparedStatement batch = c.prepareStatement("INSERT INTO investor (day, code, foreigner) VALUES (?, ?, ?)");
        for (int i = 0; i < 20; i++) {
            batch.setDate(1, Date.valueOf("2025-01-01"));
            batch.setString(2, "b" + i);
            batch.setLong(3, i);
            batch.addBatch();
        }
        int done = 0;
        for (int count : batch.executeBatch())
            done += count;
        System.out.println("batch " + done);
    }

    static void scores(Connection c) throws SQLException {
        PreparedStatement insert = c.prepareStatement("INSERT INTO scores VALUES (?, ?::jsonb)");
        PreparedStatement read = c.prepareStatement("SELECT *, scores->>'value' AS v FROM scores WHERE code = ?");
        PreparedStatement change = c.prepareStatement("UPDATE scores SET scores = ?::jsonb WHERE code = ?");
        for (int i = 0; i < 7; i++) {
            insert.setString(1, "s" + i);
            insert.setString(2, "{\"momentum\": " + i + ".5, \"value\": 2}");
            System.out.println("scored " + insert.executeUpdate());
            change.setString(1, "{\"momentum\": 9, \"value\": " + i + "}");
            change.setString(2, "s" + i);
            System.out.println("changed " + change.executeUpdate());
            read.setString(1, "s" + i);
            show("scores", read.executeQuery());
        }
    }

    public static void main(String[] args) throws SQLException {
        String url = "jdbc:postgresql://" + args[0] + ":" + args[1] + "/" + args[2]
            + "?user=postgres&sslmode=disable&prepareThreshold=1&binaryTransfer=true";
        try (Connection c = DriverManager.getConnection(url)) {
            flows(c);
            scores(c);
        }
        System.out.println("done");
    }
}
