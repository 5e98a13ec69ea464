myServer.start();
