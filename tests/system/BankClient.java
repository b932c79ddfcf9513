// Transfers through the JDBC driver and its own caches of prepared statements, until standard input ends.
// Prints "ready" once all clients work, and at the end how many transfers each has done.
import java.sql.*;
import java.util.*;
import java.util.concurrent.CountDownLatch;

public class BankClient {
    static volatile boolean stopping;
    static String url;

    static class Client extends Thread {
        final String name, options;
        final CountDownLatch ready;
        long done;
        Exception error;

        Client(String name, String options, CountDownLatch ready) {
            this.name = name;
            this.options = options;
            this.ready = ready;
        }

        static void change(Connection c, String sql, Object... values) throws SQLException {
            try (PreparedStatement p = c.prepareStatement(sql)) {
                for (int i = 0; i < values.length; i++) p.setObject(i + 1, values[i]);
                if (p.executeUpdate() != 1) throw new SQLException("not one row: " + sql);
            }
        }

        void book(Connection c, int from, int to, long amount) throws SQLException {
            try (PreparedStatement p = c.prepareStatement("insert into books (account, amount, note) values (?, ?, ?)")) {
                for (int i = 0; i < 2; i++) {
                    p.setInt(1, i == 0 ? from : to);
                    p.setLong(2, i == 0 ? -amount : amount);
                    p.setString(3, i == 0 ? null : name + ":" + (done + 1));
                    p.addBatch();
                }
                p.executeBatch();
            }
        }

        void look(Connection c) throws SQLException {
            int rows = 0;
            try (PreparedStatement p = c.prepareStatement("select id, balance from public.accounts order by id")) {
                p.setFetchSize(30);
                try (ResultSet r = p.executeQuery()) {
                    while (r.next()) rows++;
                }
            }
            if (rows != 100) throw new SQLException("not all accounts: " + rows);
        }

        void transfer(Connection c, Random random) throws SQLException {
            int from = 1 + random.nextInt(99), to = from + 1 + random.nextInt(100 - from);
            long amount = random.nextInt(100);
            change(c, "update accounts set balance = balance - ?, changes = changes + 1 where id = ?", amount, from);
            change(c, "update public.accounts set balance = balance + ?, changes = changes + 1 where id = ?", amount, to);
            book(c, from, to, amount);
            if (done % 5 == 0) look(c);
            c.commit();
        }

        @Override
        public void run() {
            try (Connection c = DriverManager.getConnection(url + "&" + options)) {
                c.setAutoCommit(false);
                Random random = new Random(name.hashCode());
                while (!stopping) {
                    transfer(c, random);
                    if (++done == 1) ready.countDown();
                }
            } catch (Exception e) {
                error = e;
                ready.countDown();
            }
        }
    }

    public static void main(String[] args) throws Exception {
        String[] options = {"prepareThreshold=5", "prepareThreshold=1&reWriteBatchedInserts=true",
            "prepareThreshold=-1&binaryTransfer=true", "preferQueryMode=extendedCacheEverything"};
        int count = Integer.parseInt(args[2]);
        url = "jdbc:postgresql://" + args[0] + ":" + args[1] + "/bank?user=app&sslmode=disable";
        CountDownLatch ready = new CountDownLatch(count);
        List<Client> clients = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            clients.add(new Client("jdbc-" + i, options[i % options.length], ready));
            clients.get(i).start();
        }
        ready.await();
        System.out.println("ready");
        while (System.in.read() >= 0) { }
        stopping = true;
        boolean good = true;
        for (Client client : clients) {
            client.join();
            System.out.println("client " + client.name + " " + client.done);
            if (client.error == null) continue;
            good = false;
            client.error.printStackTrace();
        }
        System.exit(good ? 0 : 1);
    }
}
