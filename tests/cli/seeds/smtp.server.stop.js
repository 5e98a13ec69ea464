myServer.stop();
