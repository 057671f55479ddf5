package pileus;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** As much HTTP as the Runtime API needs, over one socket: the JDK's clients take longer to load than a function to run. */
final class RuntimeClient {
    record Response(int status, Map<String, String> headers, byte[] body) {}

    private final String host;
    private final int port;
    private Socket socket;
    private InputStream input;

    RuntimeClient(String address) {
        int colon = address.lastIndexOf(':');
        host = address.substring(0, colon);
        port = Integer.parseInt(address.substring(colon + 1));
    }

    Response get(String path) throws IOException {
        return call("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n", new byte[0]);
    }

    Response post(String path, byte[] body, String errorType) throws IOException {
        String error = errorType == null ? "" : "Lambda-Runtime-Function-Error-Type: " + errorType + "\r\n";
        return call("POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: application/json\r\n" + error
            + "Content-Length: " + body.length + "\r\n\r\n", body);
    }

    private Response call(String head, byte[] body) throws IOException {
        if (socket == null) {
            socket = new Socket(host, port);
            socket.setTcpNoDelay(true);
            input = new BufferedInputStream(socket.getInputStream(), 65536);
        }
        ByteArrayOutputStream message = new ByteArrayOutputStream(head.length() + body.length);
        message.write(head.getBytes(StandardCharsets.UTF_8));
        message.write(body);
        message.writeTo(socket.getOutputStream());
        int status = Integer.parseInt(line().split(" ")[1]);
        Map<String, String> headers = new HashMap<>();
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).strip());
        }
        byte[] answer = input.readNBytes(Integer.parseInt(headers.getOrDefault("content-length", "0")));
        return new Response(status, headers, answer);
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int one = input.read(); one != '\n'; one = input.read()) {
            if (one < 0) throw new EOFException();
            if (one != '\r') line.write(one);
        }
        return line.toString(StandardCharsets.UTF_8);
    }
}
